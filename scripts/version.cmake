# Writes OUT, a header with the version and the commit, and touches it only when they have changed:
# cmake -DOUT=FILE -DSOURCE=FOLDER -DVERSION=x.y.z -P scripts/version.cmake
# The commit comes from git, or in a tarball made by `git archive` from scripts/commit.txt.
set(commit "")
if(EXISTS ${SOURCE}/.git)
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
        OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(commit STREQUAL "")
    file(READ ${SOURCE}/scripts/commit.txt commit)
    string(STRIP "${commit}" commit)
    if(NOT commit MATCHES "^[0-9a-f]+$")
        set(commit "unknown commit")
    endif()
endif()
set(text "#define WEFT_VERSION \"${VERSION}\"\n#define WEFT_COMMIT  \"${commit}\"\n")
set(old "")
if(EXISTS ${OUT})
    file(READ ${OUT} old)
endif()
if(NOT text STREQUAL old)
    file(WRITE ${OUT} "${text}")
endif()
