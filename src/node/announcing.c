/* node/announcing.c - what a node says of itself to its mesh. */
#include "node/announcing.h"

#include "base/error.h"
#include "wire/utf8.h"

static weft_time now_of(const struct weft_announcing *announcing)
{
    return announcing->options.loop->turn.now;
}

/* -- what is said -- */

/* As much of a text as may be said: nothing, if it holds what may not. */
static struct weft_slice plain(const char *text, size_t most)
{
    struct weft_slice rest = weft_slice_text(text ? text : ""), whole = {rest.data, 0};
    size_t step;
    while (rest.size > 0 && (step = weft_utf8_step(rest)) > 0 && whole.size + step <= most) {
        whole.size += step;
        rest = weft_slice(rest.data + step, rest.size - step);
    }
    return weft_utf8_plain(whole) ? whole : weft_slice(NULL, 0);
}

/* One that others may ask for: its owner lets them, its file is known, and it was not given up. */
static bool is_offered(const struct weft_model_info *info)
{
    return info->shared && info->hash && info->state != WEFT_MODEL_FAILED &&
           info->name.size <= WEFT_ANNOUNCEMENT_ALIAS_MAX && weft_utf8_plain(info->name);
}

static void add_models(const struct weft_announcing *announcing, struct weft_announcement *out)
{
    const struct weft_models *models = announcing->options.models;
    for (size_t i = 0; i < weft_models_count(models); i++) {
        struct weft_model_info info;
        weft_models_info(models, i, &info);
        if (!is_offered(&info) || out->model_count == WEFT_ANNOUNCEMENT_MODELS_MAX) {
            continue;
        }
        struct weft_announced_model *model = &out->models[out->model_count++];
        *model = (struct weft_announced_model){
            .alias = info.name,
            .quant = plain(info.quant, WEFT_ANNOUNCEMENT_TEXT_MAX),
            .kernel_class = plain(info.kernel_class, WEFT_ANNOUNCEMENT_TEXT_MAX),
            .context = info.context_tokens > 0 ? (uint32_t)info.context_tokens : 0,
            .slots = info.slots > 0 ? (uint32_t)info.slots : 0,
        };
        memcpy(model->hash, info.hash, WEFT_HASH_SIZE);
        if (out->backend.size == 0) {
            out->backend = plain(info.variant, WEFT_ANNOUNCEMENT_TEXT_MAX);
            out->device = plain(info.device, WEFT_ANNOUNCEMENT_TEXT_MAX);
        }
    }
}

static void fill(const struct weft_announcing *announcing, struct weft_announcement *out,
                 char address[WEFT_HOSTPORT_MAX + 1])
{
    const struct weft_announcing_options *options = &announcing->options;
    const char *where = options->address(options->self, address);
    *out = (struct weft_announcement){
        .key = options->node->key,
        .chain = weft_mesh_state_chain(options->state),
        .memory = (uint64_t)options->config->engine_memory_budget,
        .speed_centi = announcing->speed_centi,
        .version = plain(options->version, WEFT_ANNOUNCEMENT_TEXT_MAX),
    };
    if (where) {
        out->addresses[out->address_count++] = weft_slice_text(where);
    }
    if (weft_mesh_state_certificate(options->state)->role != WEFT_ROLE_CLIENT) {
        add_models(announcing, out);
    }
}

/* The last models are not named where not all fit. */
static int64_t write(const struct weft_announcing *announcing, struct weft_announcement *out,
                     uint8_t bytes[WEFT_ANNOUNCEMENT_MAX])
{
    const struct weft_identity *node = announcing->options.node;
    int64_t size = weft_sign_announcement(node, out, bytes);
    while (size == WEFT_ERR_TOO_LARGE && out->model_count > 0) {
        out->model_count--;
        size = weft_sign_announcement(node, out, bytes);
    }
    return size;
}

/* -- saying it -- */

static void note_refused(const struct weft_announcing *announcing, const char *why)
{
    if (weft_journal_begin(announcing->options.journal, WEFT_LOG_WARN, "not announced")) {
        weft_journal_word(announcing->options.journal, "why", why);
        weft_journal_end(announcing->options.journal);
    }
}

static void say(struct weft_announcing *announcing, struct weft_announcement *announcement)
{
    const struct weft_announcing_options *options = &announcing->options;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    uint64_t incarnation = weft_mesh_state_incarnation(options->state);
    announcing->sequence = incarnation == announcing->incarnation ? announcing->sequence + 1 : 1;
    announcing->incarnation = incarnation;
    announcement->incarnation = incarnation;
    announcement->sequence = announcing->sequence;
    announcement->made_s = weft_mesh_state_now_s(options->state);
    int64_t size = write(announcing, announcement, bytes);
    if (size < 0) {
        note_refused(announcing, weft_error_text((int)size));
        return;
    }
    announcing->count++;
    enum weft_roster_outcome outcome = options->say(options->self, weft_slice(bytes, (size_t)size));
    if (outcome != WEFT_ROSTER_ADDED && outcome != WEFT_ROSTER_REPLACED) {
        note_refused(announcing, weft_roster_outcome_word(outcome));
    }
}

static void look(struct weft_announcing *announcing)
{
    struct weft_timers *timers = &announcing->options.loop->timers;
    struct weft_announcement announcement;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    char address[WEFT_HOSTPORT_MAX + 1];
    weft_time now = now_of(announcing);
    fill(announcing, &announcement, address);
    announcement.incarnation = announcement.sequence = 1; /* only to compare */
    announcement.made_s = 1;
    int64_t size = write(announcing, &announcement, bytes);
    bool same = size == (int64_t)announcing->said_size && memcmp(bytes, announcing->said, announcing->said_size) == 0;
    if ((!same || now >= announcing->renew_at) && !announcing->raising) {
        if (announcing->said_size > 0 && now < announcing->said_at + WEFT_ANNOUNCING_PACE) {
            weft_timer_set(timers, &announcing->timer, announcing->said_at + WEFT_ANNOUNCING_PACE);
            return;
        }
        weft_time life = WEFT_ROSTER_RENEW_S * WEFT_SECOND;
        announcing->said_at = now;
        announcing->renew_at = now + life / 2 + (weft_time)weft_random_below(&announcing->random, (uint64_t)life / 2);
        announcing->said_size = size > 0 ? (size_t)size : 0;
        memcpy(announcing->said, bytes, announcing->said_size);
        say(announcing, &announcement);
    }
    weft_timer_set(timers, &announcing->timer, announcing->renew_at);
}

static void on_timer(struct weft_timer *timer)
{
    look(WEFT_CONTAINER(timer, struct weft_announcing, timer));
}

void weft_announcing_look(struct weft_announcing *announcing)
{
    if (announcing->runs) {
        look(announcing);
    }
}

/* -- others know more of us than we do -- */

static void on_raised(void *self, int status, const char *problem)
{
    struct weft_announcing *announcing = self;
    announcing->raising = false;
    if (status < 0) {
        note_refused(announcing, problem);
    } else {
        announcing->said_size = 0;
        announcing->renew_at = 0;
    }
    weft_announcing_look(announcing);
}

void weft_announcing_outrun(struct weft_announcing *announcing, uint64_t incarnation)
{
    if (!announcing->runs || announcing->raising || incarnation < announcing->incarnation) {
        return;
    }
    int error = weft_mesh_state_outrun(announcing->options.state, incarnation, on_raised, announcing);
    announcing->raising = error == 0; /* or else it is tried again when that is seen next */
}

/* -- how fast it is -- */

static uint64_t count_tokens(const struct weft_models *models, bool *busy)
{
    uint64_t sampled = 0;
    *busy = false;
    for (size_t i = 0; i < weft_models_count(models); i++) {
        struct weft_model_info info;
        weft_models_info(models, i, &info);
        sampled += info.tokens_sampled;
        *busy = *busy || info.users > 0;
    }
    return sampled;
}

void weft_announcing_measure(struct weft_announcing *announcing)
{
    weft_time now = now_of(announcing), since = announcing->looked_at;
    bool busy;
    uint64_t sampled = count_tokens(announcing->options.models, &busy);
    if (busy && since != WEFT_NEVER && now - since < WEFT_ANNOUNCING_MEASURE) {
        return;
    }
    if (busy && since != WEFT_NEVER && sampled >= announcing->sampled) {
        uint64_t rate = (sampled - announcing->sampled) * 100 * (uint64_t)WEFT_SECOND / (uint64_t)(now - since);
        uint64_t known = announcing->speed_centi;
        /* The best of what was seen: requests do not keep the engines busy all the time. */
        if (rate > known + known / WEFT_ANNOUNCING_COARSE && rate <= UINT32_MAX) {
            announcing->speed_centi = (uint32_t)rate;
            weft_announcing_look(announcing);
        }
    }
    announcing->sampled = sampled;
    announcing->looked_at = busy ? now : WEFT_NEVER;
}

/* -- its life -- */

void weft_announcing_start(struct weft_announcing *announcing)
{
    announcing->runs = true;
    announcing->said_size = 0;
    announcing->renew_at = 0;
    look(announcing);
}

void weft_announcing_stop(struct weft_announcing *announcing)
{
    announcing->runs = false;
    weft_timer_clear(&announcing->options.loop->timers, &announcing->timer);
}

int weft_announcing_init(struct weft_announcing *announcing, const struct weft_announcing_options *options)
{
    struct weft_host *host = options->loop->host;
    uint64_t seed;
    *announcing = (struct weft_announcing){.looked_at = WEFT_NEVER};
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        return error;
    }
    announcing->options = *options;
    host->ops->entropy(host, &seed, sizeof(seed));
    weft_random_init(&announcing->random, seed);
    weft_timer_init(&announcing->timer, on_timer);
    return 0;
}

void weft_announcing_deinit(struct weft_announcing *announcing)
{
    if (announcing->options.loop) {
        weft_announcing_stop(announcing);
        weft_timers_release(&announcing->options.loop->timers);
        announcing->options.loop = NULL;
    }
}
