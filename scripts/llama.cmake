# libllama as the target weft_llama: its libraries, and its headers as a system's (their warnings are not ours).
#
#   WEFT_LLAMA=npm      (the default) prebuilt, from .llama, where scripts/fetch-llama put it
#   WEFT_LLAMA=system   llama.cpp built by you as shared libraries, for ROCm, say. WEFT_LLAMA_SOURCE names its source, at the
#                       release that scripts/llama.lock names; libraries that are not installed: CMAKE_PREFIX_PATH
#
# Variables of these names in the environment say the same (`WEFT_LLAMA=system WEFT_LLAMA_SOURCE=FOLDER make run`), and are
# kept for later configurations.
set(WEFT_LLAMA npm CACHE STRING "Where libllama comes from: npm or system")
set(WEFT_LLAMA_SOURCE "" CACHE PATH "The source that a system's libllama was built from")
foreach(name WEFT_LLAMA WEFT_LLAMA_SOURCE)
    if(DEFINED ENV{${name}})
        set_property(CACHE ${name} PROPERTY VALUE $ENV{${name}})
    endif()
endforeach()
find_package(Threads REQUIRED)

set(weft_llama_libraries)
if(WEFT_LLAMA STREQUAL "npm")
    set(weft_llama_home ${CMAKE_SOURCE_DIR}/.llama)
    if(NOT EXISTS ${weft_llama_home}/stamp)
        message(FATAL_ERROR "libllama is not there. Run `make setup` (or scripts/fetch-llama), or configure with "
            "-DWEFT_LLAMA=system if you have built your own.")
    endif()
    # Their names carry the release and the accelerator: libllama.cuda.v0.5.0.so.
    file(GLOB weft_llama_libraries ${weft_llama_home}/lib/libllama*.so ${weft_llama_home}/lib/libggml.*.so
        ${weft_llama_home}/lib/libggml-base.so)
    set(weft_llama_headers ${weft_llama_home}/common ${weft_llama_home}/include)
elseif(WEFT_LLAMA STREQUAL "system")
    pkg_check_modules(LLAMA QUIET llama)
    foreach(name llama-common llama ggml ggml-base)
        find_library(WEFT_LIBRARY_${name} ${name} HINTS ${LLAMA_LIBRARY_DIRS})
        if(NOT WEFT_LIBRARY_${name})
            message(FATAL_ERROR "lib${name} is not found. WEFT_LLAMA=system needs llama.cpp built with "
                "-DBUILD_SHARED_LIBS=ON; say where by -DCMAKE_PREFIX_PATH=FOLDER.")
        endif()
        list(APPEND weft_llama_libraries ${WEFT_LIBRARY_${name}})
    endforeach()
    # What libllama-common offers is in no installed header.
    if(NOT EXISTS ${WEFT_LLAMA_SOURCE}/common/chat.h)
        message(FATAL_ERROR "Say by -DWEFT_LLAMA_SOURCE=FOLDER where llama.cpp's source is: its common/chat.h is needed.")
    endif()
    set(weft_llama_headers ${WEFT_LLAMA_SOURCE}/common ${WEFT_LLAMA_SOURCE}/include ${WEFT_LLAMA_SOURCE}/ggml/include
        ${WEFT_LLAMA_SOURCE}/vendor)
else()
    message(FATAL_ERROR "WEFT_LLAMA is ${WEFT_LLAMA}; it can be npm or system.")
endif()

add_library(weft_llama INTERFACE)
foreach(file ${weft_llama_libraries})
    cmake_path(GET file STEM LAST_ONLY name)
    add_library(weft_llama_${name} SHARED IMPORTED)
    set_target_properties(weft_llama_${name} PROPERTIES IMPORTED_LOCATION ${file})
    target_link_libraries(weft_llama INTERFACE weft_llama_${name})
endforeach()
target_include_directories(weft_llama SYSTEM INTERFACE ${weft_llama_headers})
target_link_libraries(weft_llama INTERFACE Threads::Threads)
