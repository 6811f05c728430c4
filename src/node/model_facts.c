/* node/model_facts.c - what a ready engine says of itself and of its model. */
#include "node/model_facts.h"

#include "wire/utf8.h"

static void read_text(char to[WEFT_MODEL_TEXT_MAX], const json_t *info, const char *key)
{
    const json_t *text = json_object_get(info, key);
    struct weft_slice rest = weft_slice(json_string_value(text), json_string_length(text));
    size_t used = 0;
    while (rest.size > 0) {
        size_t step = weft_utf8_step(rest); /* jansson has checked it: never 0 */
        if (used + step >= WEFT_MODEL_TEXT_MAX) {
            break;
        }
        memcpy(to + used, rest.data, step);
        used += step;
        rest = weft_slice(rest.data + step, rest.size - step);
    }
    to[used] = '\0';
}

static int32_t read_count(const json_t *info, const char *key, int32_t fallback)
{
    const json_t *number = json_object_get(info, key);
    json_int_t value = json_is_integer(number) ? json_integer_value(number) : fallback;
    return value < 0 || value > INT32_MAX ? fallback : (int32_t)value;
}

static double read_share(const json_t *info, const char *key)
{
    const json_t *number = json_object_get(info, key);
    return json_is_number(number) ? json_number_value(number) : -1;
}

void weft_model_facts_read(struct weft_model_facts *facts, const json_t *info)
{
    json_int_t memory = json_integer_value(json_object_get(info, "memory"));
    *facts = (struct weft_model_facts){
        .slots = read_count(info, "slots", 0),
        .context_tokens = read_count(info, "context_tokens", 0),
        .trained_tokens = read_count(info, "trained_tokens", 0),
        .threads = read_count(info, "threads", 0),
        .memory = memory > 0 ? (uint64_t)memory : 0,
        .exact = json_is_true(json_object_get(info, "exact")),
        .knows_tools = json_is_true(json_object_get(info, "knows_tools")),
        .knows_reasoning = json_is_true(json_object_get(info, "knows_reasoning")),
        .has_template = json_is_true(json_object_get(info, "has_template")),
        .temperature = read_share(info, "temperature"),
        .top_p = read_share(info, "top_p"),
        .min_p = read_share(info, "min_p"),
        .top_k = read_count(info, "top_k", -1),
    };
    read_text(facts->description, info, "description");
    read_text(facts->quant, info, "quant");
    read_text(facts->variant, info, "variant");
    read_text(facts->sandbox, info, "sandbox");
    read_text(facts->kernel_class, info, "kernel_class");
    read_text(facts->device, json_array_get(json_object_get(info, "devices"), 0), "description");
}

struct weft_slice weft_model_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct weft_slice name = weft_slice_text(slash ? slash + 1 : path);
    struct weft_slice suffix = WEFT_SLICE(".gguf");
    if (name.size > suffix.size &&
        weft_slice_equal_nocase(weft_slice(name.data + name.size - suffix.size, suffix.size), suffix)) {
        name.size -= suffix.size;
    }
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c < ' ' || c == 0x7f) {
            return (struct weft_slice){0};
        }
    }
    return weft_utf8_valid(name) ? name : (struct weft_slice){0};
}
