/* engine/about.c - what the engine says of itself: how far it is, how busy it is, what it runs; and on how many
 * threads.
 */
#include "engine/routes.h"

#include <math.h>

#include "wire/utf8.h"

static void add_count(struct weft_json *json, const char *name, uint64_t value)
{
    weft_json_add_int(json, name, (int64_t)value);
}

/* A text of the file's or the machine's: as far as it is UTF-8. */
static void add_text(struct weft_json *json, const char *name, const char *text)
{
    struct weft_slice rest = weft_slice_text(text), whole = {text, 0};
    size_t step;
    while (rest.size > 0 && (step = weft_utf8_step(rest)) > 0) {
        whole.size += step;
        rest = weft_slice(rest.data + step, rest.size - step);
    }
    weft_json_add_string(json, name, whole);
}

static void add_recommended(struct weft_json *json, const char *name, float value)
{
    if (isfinite(value)) {
        weft_json_add_double(json, name, (double)value);
    }
}

/* -- /load -- */

static void add_scheduler_load(struct weft_json *json, struct weft_scheduler *scheduler)
{
    struct weft_scheduler_load load;
    weft_scheduler_load(scheduler, &load);
    add_count(json, "slots", load.slots);
    add_count(json, "slots_free", load.slots_free);
    add_count(json, "waiting", load.waiting);
    add_count(json, "tokens_sampled", load.tokens_sampled);
    add_count(json, "prompt_tokens_read", load.prompt_tokens_read);
    add_count(json, "prompt_tokens_cached", load.prompt_tokens_cached);
    add_count(json, "steps", load.steps);
    add_count(json, "step_us", load.step_us);
}

void weft_about_load(struct weft_errand *errand)
{
    static const char *const names[] = {
        [WEFT_DESK_LOADING] = "loading", [WEFT_DESK_READY] = "ready", [WEFT_DESK_FAILED] = "failed"};
    struct weft_desk *desk = errand->desk;
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    add_text(&json, "state", names[desk->state]);
    if (desk->state == WEFT_DESK_FAILED) {
        add_text(&json, "code", desk->code);
        add_text(&json, "message", desk->problem);
    } else {
        bool ready = desk->state == WEFT_DESK_READY;
        weft_json_add_double(&json, "progress", ready ? 1 : atomic_load(&desk->progress.permille) / 1000.0);
        if (ready) {
            add_scheduler_load(&json, desk->scheduler);
        }
    }
    weft_json_object_end(&json);
    weft_errand_reply(errand, &text, weft_json_finish(&json));
}

/* -- /info -- */

static void add_model(struct weft_json *json, const struct weft_desk *desk)
{
    const struct weft_model *model = desk->model;
    add_text(json, "name", model->name);
    add_text(json, "description", model->description);
    add_text(json, "architecture", model->architecture);
    add_text(json, "quant", model->quant);
    add_count(json, "vocabulary", (uint64_t)model->vocabulary);
    add_count(json, "embedding", (uint64_t)model->embedding);
    add_count(json, "trained_tokens", (uint64_t)model->trained_tokens);
    weft_json_add_bool(json, "embeds", model->embeds);
    weft_json_add_bool(json, "has_template", model->has_template);
    weft_json_add_bool(json, "knows_tools", weft_chat_knows_tools(model->chat));
    weft_json_add_bool(json, "knows_reasoning", weft_chat_knows_reasoning(model->chat));
    add_count(json, "context_tokens", (uint64_t)model->context_tokens);
    add_count(json, "slots", (uint64_t)model->slots);
    add_count(json, "threads", (uint64_t)weft_scheduler_threads(desk->scheduler));
    add_count(json, "memory", model->estimate.total);
    add_count(json, "memory_weights", model->estimate.weights);
    add_count(json, "memory_context", model->estimate.context);
    add_count(json, "memory_compute", model->estimate.compute);
    add_count(json, "memory_per_slot", model->estimate.per_slot);
    add_recommended(json, "temperature", model->temperature);
    add_recommended(json, "top_p", model->top_p);
    add_recommended(json, "min_p", model->min_p);
    if (model->top_k >= 0) {
        add_count(json, "top_k", (uint64_t)model->top_k);
    }
}

static void add_devices(struct weft_json *json, const struct weft_backend *backend)
{
    weft_json_key(json, "devices");
    weft_json_array(json);
    for (size_t i = 0; i < backend->device_count; i++) {
        const struct weft_backend_device *device = &backend->devices[i];
        weft_json_object(json);
        add_text(json, "name", device->name);
        add_text(json, "description", device->description);
        add_count(json, "memory_total", device->memory_total);
        add_count(json, "memory_free", device->memory_free);
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
}

void weft_about_info(struct weft_errand *errand)
{
    const struct weft_desk *desk = errand->desk;
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    add_model(&json, desk);
    add_text(&json, "variant", desk->backend->variant);
    weft_json_add_bool(&json, "exact", desk->model->exact);
    add_text(&json, "kernel_class", desk->model->kernel_class);
    add_devices(&json, desk->backend);
    add_text(&json, "libllama", weft_backend_llama_version());
    add_text(&json, "sandbox", desk->sandbox_level);
    weft_json_object_end(&json);
    weft_errand_reply(errand, &text, weft_json_finish(&json));
}

/* -- /threads -- */

void weft_about_threads(struct weft_errand *errand)
{
    struct weft_scheduler *scheduler = errand->desk->scheduler;
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_scheduler_set_threads(scheduler, errand->request.threads);
    weft_json_start(&json, &text);
    weft_json_object(&json);
    add_count(&json, "threads", (uint64_t)weft_scheduler_threads(scheduler));
    weft_json_object_end(&json);
    weft_errand_reply(errand, &text, weft_json_finish(&json));
}
