/* fuzz/yaml_fuzz.c - any settings file is decoded within its bounds or refused with a sentence, and the settings
 * that come of it are whole. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "node/config.h"
#include "wire/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entries(const struct weft_yaml *yaml)
{
    WEFT_ASSERT(yaml->count <= WEFT_YAML_ENTRIES_MAX);
    for (size_t i = 0; i < yaml->count; i++) {
        const struct weft_yaml_entry *entry = &yaml->entries[i];
        WEFT_ASSERT(entry->path.size > 0 && entry->path.size <= WEFT_YAML_PATH_MAX);
        WEFT_ASSERT(strlen(entry->path.data) == entry->path.size);
        WEFT_ASSERT(strlen(entry->text.data) == entry->text.size);
        WEFT_ASSERT(entry->line > 0 && entry->column > 0);
        for (size_t j = 0; j < i && j < 32; j++) {
            WEFT_ASSERT(!weft_slice_equal(entry->path, yaml->entries[j].path));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_slice text = weft_slice(data, size);
    int64_t live = weft_mem_live();
    struct weft_arena arena;
    weft_arena_init(&arena);
    struct weft_yaml yaml;
    struct weft_yaml_problem problem;
    int decoded = weft_yaml_decode(text, &arena, &yaml, &problem);
    if (decoded == 0) {
        check_entries(&yaml);
    } else {
        WEFT_ASSERT(decoded == WEFT_ERR_INVALID || decoded == WEFT_ERR_TOO_LARGE);
        WEFT_ASSERT(problem.line > 0 && problem.text[0] != '\0' && yaml.count == 0);
    }
    weft_arena_deinit(&arena);

    struct weft_config config;
    struct weft_config_problem why;
    struct weft_config_input input = {.file_name = "weft.yaml", .file = text};
    int status = weft_config_init(&config, &input, &why);
    WEFT_ASSERT(decoded == 0 || size == 0 || status < 0);
    WEFT_ASSERT((status < 0) == (why.text[0] != '\0'));
    if (status == 0) {
        WEFT_ASSERT(config.body_max > 0 && config.connections_max > 0 && config.drain_timeout >= 0);
        (void)weft_config_check(&config, false, &why); /* either answer will do: it must only come */
    }
    weft_config_deinit(&config);
    WEFT_ASSERT(weft_mem_live() == live);
    return 0;
}
