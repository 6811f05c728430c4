/* node/openai_models.c - this node's models as OpenAI's API lists them. */
#include "node/openai_models.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/json.h"

#define NAMES_SIZE (WEFT_MODEL_MATCH_MAX * (WEFT_MODEL_NAME_MAX + 5) + 32) /* of a sentence's list of names */

/* -- the list -- */

/* For people who ask by hand. */
static int end_line(struct weft_json *json)
{
    int error = weft_json_finish(json);
    return error < 0 ? error : weft_bytes_append(json->out, "\n", 1);
}

static void write_text(struct weft_json *json, const char *name, const char *text)
{
    if (text) {
        weft_json_add_text(json, name, text);
    }
}

/* What OpenAI's API has no place for. */
static void write_more(struct weft_json *json, const struct weft_model_info *info)
{
    weft_json_object(json);
    write_text(json, "state", weft_model_state_name(info->state));
    if (info->state == WEFT_MODEL_STARTING || info->state == WEFT_MODEL_LOADING) {
        weft_json_add_double(json, "progress", info->progress);
    }
    write_text(json, "problem", info->problem);
    if (info->loaded_s > 0) {
        weft_json_add_int(json, "context_tokens", info->context_tokens);
        weft_json_add_int(json, "trained_tokens", info->trained_tokens);
        weft_json_add_int(json, "slots", info->slots);
        weft_json_add_int(json, "threads", info->threads);
        weft_json_add_int(json, "memory_bytes", (int64_t)info->memory);
        write_text(json, "description", info->description);
        write_text(json, "quant", info->quant);
        write_text(json, "cpu_variant", info->variant);
        write_text(json, "sandbox", info->sandbox);
        weft_json_add_bool(json, "chat_template", info->has_template);
        weft_json_add_bool(json, "tools", info->knows_tools);
        weft_json_add_bool(json, "reasoning", info->knows_reasoning);
    }
    weft_json_object_end(json);
}

static void write_model(struct weft_json *json, const struct weft_models *models, size_t index)
{
    struct weft_model_info info;
    weft_models_info(models, index, &info);
    weft_json_object(json);
    weft_json_add_string(json, "id", info.name);
    write_text(json, "object", "model");
    weft_json_add_int(json, "created", info.loaded_s);
    write_text(json, "owned_by", "weft");
    weft_json_key(json, "weft");
    write_more(json, &info);
    weft_json_object_end(json);
}

int weft_openai_models_write(const struct weft_models *models, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_object(&json);
    write_text(&json, "object", "list");
    weft_json_key(&json, "data");
    weft_json_array(&json);
    for (size_t i = 0; i < weft_models_count(models); i++) {
        write_model(&json, models, i);
    }
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    return end_line(&json);
}

int weft_openai_model_write(const struct weft_models *models, size_t index, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    write_model(&json, models, index);
    return end_line(&json);
}

/* -- the one that is named -- */

/* "A, B or C"; what is too long is cut. */
static void join_names(const struct weft_models *models, const struct weft_model_match *match, const char *last,
                       char text[NAMES_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < match->count && used < NAMES_SIZE; i++) {
        struct weft_model_info info;
        weft_models_info(models, match->at[i], &info);
        const char *before = i == 0 ? "" : i + 1 == match->count && match->more == 0 ? last : ", ";
        used += (size_t)snprintf(text + used, NAMES_SIZE - used, "%s%.*s", before, (int)info.name.size, info.name.data);
    }
    if (match->more > 0 && used < NAMES_SIZE) {
        (void)snprintf(text + used, NAMES_SIZE - used, " and %zu more", match->more); /* cut as said above */
    }
}

/* Those that are served, as far as they are named. */
static void list_names(const struct weft_models *models, char text[NAMES_SIZE])
{
    size_t count = weft_models_count(models);
    struct weft_model_match all = {.count = count < WEFT_MODEL_MATCH_MAX ? count : WEFT_MODEL_MATCH_MAX};
    for (size_t i = 0; i < all.count; i++) {
        all.at[i] = i;
    }
    all.more = count - all.count;
    join_names(models, &all, ", ", text);
}

/* No model, or no one model, goes by the name that was given. */
static int refuse_name(const struct weft_models *models, const struct weft_model_match *match,
                       struct weft_openai_error *error)
{
    char meant[NAMES_SIZE], served[NAMES_SIZE];
    bool several = match->kind == WEFT_MODEL_MATCH_SEVERAL, near = !several && match->count > 0;
    join_names(models, match, several ? " and " : " or ", meant);
    list_names(models, served);
    int status = several ? weft_openai_wrong(error, "model", "model_ambiguous",
                                             "Several models here go by that name: %s. Say more of the name.", meant)
                         : weft_openai_wrong(error, "model", "model_not_found",
                                             "No model of that name is served here.%s%s%s Served are: %s.",
                                             near ? " Did you mean " : "", meant, near ? "?" : "", served);
    error->status = 404;
    return status;
}

int weft_openai_model_find(const struct weft_models *models, struct weft_slice name, size_t *index,
                           struct weft_openai_error *error)
{
    struct weft_model_match match;
    int found = weft_models_find(models, name, &match);
    if (found >= 0) {
        *index = (size_t)found;
        return 0;
    }
    if (weft_models_count(models) == 0) {
        weft_openai_error_set(error, 404, "model_not_found", "This node serves no model yet.");
        return WEFT_ERR_INVALID;
    }
    if (name.size == 0) {
        char names[NAMES_SIZE];
        list_names(models, names);
        return weft_openai_wrong(error, "model", "missing_required_parameter",
                                 "model is missing: name one that is served here: %s.", names);
    }
    return refuse_name(models, &match, error);
}

int weft_openai_model_find_path(const struct weft_models *models, struct weft_slice part, size_t *index,
                                struct weft_openai_error *error)
{
    char name[WEFT_MODEL_TYPED_MAX + 1]; /* one more: what is too long must not become a name */
    size_t size = 0;
    for (size_t i = 0; i < part.size && size < sizeof(name); i++, size++) {
        name[size] = part.data[i];
        if (part.data[i] == '%' && i + 2 < part.size) {
            int high = weft_hex_value(part.data[i + 1]), low = weft_hex_value(part.data[i + 2]);
            if (high >= 0 && low >= 0) {
                name[size] = (char)(high * 16 + low);
                i += 2;
            }
        }
    }
    return weft_openai_model_find(models, weft_slice(name, size), index, error);
}
