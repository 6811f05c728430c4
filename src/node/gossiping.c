/* node/gossiping.c - a node's part in the gossip of its mesh. */
#include "node/gossiping.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "mesh/by_key.h"

struct stream {
    struct weft_gossiping *gossiping;
    struct stream *previous, *next;
    struct weft_keyed keyed;
    struct weft_link *link; /* of one that we open; NULL: the other one did */
    enum weft_gossip_kind kind;
    struct weft_exchange *exchange;  /* NULL: it is to be opened anew at `again` */
    struct weft_gossip_link *gossip; /* NULL: not open yet */
    weft_time again;
};

/* A revocation that was heard of and is to be stored. */
struct heard {
    struct weft_gossiping *gossiping;
    struct heard *next;
    struct weft_key subject;
    bool told; /* to the user */
    size_t size;
    uint8_t bytes[];
};

struct weft_gossiping {
    struct weft_gossiping_options options;
    struct weft_roster *roster; /* these two: NULL while it does not run */
    struct weft_gossip *gossip;
    struct weft_random random;
    bool gateway; /* what this node is */
    struct stream *streams;
    struct weft_by_key by_key; /* all of them; made with the roster */
    struct heard *first, *last;
    size_t heard_count;
    struct weft_task look;
    struct weft_timer clock, slow;
    bool news; /* something came in since the user was told */
};

static weft_time now_of(const struct weft_gossiping *gossiping)
{
    return gossiping->options.loop->turn.now;
}

static int64_t now_s_of(const struct weft_gossiping *gossiping)
{
    return weft_mesh_state_now_s(gossiping->options.state);
}

/* Something was done that may have given links something to say, or the clock another deadline. */
static void look_soon(struct weft_gossiping *gossiping)
{
    weft_turn_add(&gossiping->options.loop->turn, &gossiping->look);
}

/* -- a stream's end -- */

static bool opens(const struct stream *stream)
{
    return stream->link;
}

static enum weft_way way_in(const struct stream *stream)
{
    return opens(stream) ? WEFT_ANSWER : WEFT_REQUEST;
}

static enum weft_way way_out(const struct stream *stream)
{
    return opens(stream) ? WEFT_REQUEST : WEFT_ANSWER;
}

static const struct {
    int why;
    const char *word;
} words[] = {
    {WEFT_ERR_INVALID, "malformed"}, {WEFT_ERR_TOO_LARGE, "too_large"}, {WEFT_ERR_UNSUPPORTED, "newer"},
    {WEFT_ERR_CRYPTO, "forged"},     {WEFT_ERR_FULL, "too_much"},       {WEFT_ERR_DENIED, "not_yours"},
    {WEFT_ERR_MEMORY, "memory"},     {WEFT_ERR_CLOSED, "closed"},
};

static const char *word_of(int why)
{
    for (size_t i = 0; i < WEFT_COUNT(words); i++) {
        if (words[i].why == why) {
            return words[i].word;
        }
    }
    return "closed";
}

/* What the other end said, if it is one of these: anything else could be anything, and is not journaled. */
static const char *word_said(struct weft_slice text)
{
    for (size_t i = 0; i < WEFT_COUNT(words); i++) {
        if (weft_slice_equal(text, weft_slice_text(words[i].word))) {
            return words[i].word;
        }
    }
    return text.size > 0 ? "it gave a reason that this weft does not know" : "closed";
}

static void note_end(const struct stream *stream, const char *side, const char *why, bool bad)
{
    struct weft_journal *journal = stream->gossiping->options.journal;
    char id[WEFT_PEER_ID_SIZE];
    if (weft_journal_begin(journal, bad ? WEFT_LOG_WARN : WEFT_LOG_DEBUG, "gossip ended")) {
        weft_key_text(&stream->keyed.key, id);
        weft_journal_word(journal, "peer", id);
        weft_journal_word(journal, "by", side);
        weft_journal_word(journal, "why", why);
        weft_journal_end(journal);
    }
}

static void leave(struct stream *stream, const char *why)
{
    struct weft_exchange *exchange = stream->exchange;
    stream->exchange = NULL;
    if (opens(stream)) {
        weft_exchange_leave(exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        return;
    }
    if (!exchange->aborted[WEFT_ASKER]) {
        struct weft_flow *answer = &exchange->flows[WEFT_ANSWER];
        int error =
            weft_fields_add(&answer->trailers, &exchange->arena, WEFT_SLICE(WEFT_GOSSIPING_END), weft_slice_text(why));
        (void)error; /* without memory it does not say why */
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
}

static void close_gossip(struct stream *stream)
{
    struct weft_gossiping *gossiping = stream->gossiping;
    if (stream->gossip) {
        weft_gossip_close(stream->gossip, now_of(gossiping));
        stream->gossip = NULL;
        gossiping->news = true;
        look_soon(gossiping);
    }
}

static void remove_stream(struct stream *stream)
{
    if (stream->previous) {
        stream->previous->next = stream->next;
    } else {
        stream->gossiping->streams = stream->next;
    }
    if (stream->next) {
        stream->next->previous = stream->previous;
    }
    weft_by_key_remove(&stream->gossiping->by_key, &stream->keyed);
    weft_free(stream);
}

/* One that we open stays, to be opened anew. */
static void end_stream(struct stream *stream, const char *why)
{
    struct weft_gossiping *gossiping = stream->gossiping;
    close_gossip(stream);
    leave(stream, why);
    if (!opens(stream)) {
        remove_stream(stream);
        return;
    }
    weft_time wait = WEFT_GOSSIPING_AGAIN / 2;
    wait += (weft_time)weft_random_below(&gossiping->random, (uint64_t)wait);
    stream->again = now_of(gossiping) + wait;
    look_soon(gossiping);
}

/* -- bytes -- */

static int pump_out(struct stream *stream)
{
    struct weft_bytes *output = weft_gossip_output(stream->gossip);
    size_t room = output->size > 0 ? weft_exchange_room(stream->exchange, way_out(stream)) : 0;
    while (room > 0 && output->size > 0) {
        struct weft_slice front = weft_bytes_front(output);
        size_t size = front.size < room ? front.size : room;
        int error = weft_exchange_write(stream->exchange, way_out(stream), front.data, size);
        if (error < 0) {
            return error;
        }
        weft_bytes_drop(output, size);
        room -= size;
    }
    return 0;
}

static int pump_in(struct stream *stream)
{
    struct weft_gossiping *gossiping = stream->gossiping;
    const struct weft_bytes *input = &stream->exchange->flows[way_in(stream)].bytes;
    int error = 0;
    while (error == 0 && input->size > 0) {
        struct weft_slice front = weft_bytes_front(input);
        size_t size = front.size;
        error = weft_gossip_receive(stream->gossip, front, now_of(gossiping), now_s_of(gossiping));
        weft_exchange_take(stream->exchange, way_in(stream), size);
        gossiping->news = true;
    }
    look_soon(gossiping);
    return error;
}

/* The other end says no more; it may have said why. */
static bool other_ended(struct stream *stream)
{
    struct weft_exchange *exchange = stream->exchange;
    enum weft_end other = opens(stream) ? WEFT_WORKER : WEFT_ASKER;
    const struct weft_flow *in = &exchange->flows[way_in(stream)];
    if (exchange->aborted[other]) {
        note_end(stream, "other", weft_error_text(exchange->aborted[other]), false);
        return true;
    }
    if (!weft_exchange_drained(exchange, way_in(stream))) {
        return false;
    }
    const char *why = word_said(weft_fields_value(&in->trailers, WEFT_GOSSIPING_END));
    note_end(stream, "other", why, strcmp(why, "closed") != 0);
    return true;
}

static void on_wake(void *self, struct weft_exchange *exchange);

/* The gateway has answered: it may be heard, or not. */
static int begin(struct stream *stream)
{
    if (stream->exchange->answer.status != 200) {
        return WEFT_ERR_REFUSED;
    }
    return weft_gossip_open(stream->gossiping->gossip, &stream->gossip, &stream->keyed.key, stream->kind, 0, stream,
                            now_of(stream->gossiping));
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct stream *stream = self;
    int error = 0;
    if (!stream->gossip && exchange->answer_begun) {
        error = begin(stream);
    }
    if (error == 0 && stream->gossip) {
        error = pump_in(stream);
    }
    if (error == 0 && !other_ended(stream)) {
        error = stream->gossip ? pump_out(stream) : 0;
        if (error == 0) {
            return;
        }
    }
    if (error < 0) {
        note_end(stream, "us", error == WEFT_ERR_REFUSED ? "refused" : word_of(error), error != WEFT_ERR_REFUSED);
    }
    end_stream(stream, word_of(error));
}

/* -- streams begin -- */

static struct stream *new_stream(struct weft_gossiping *gossiping, const struct weft_key *key,
                                 enum weft_gossip_kind kind)
{
    struct stream *stream = weft_zalloc(sizeof(*stream));
    if (stream) {
        stream->gossiping = gossiping;
        stream->keyed.key = *key;
        stream->kind = kind;
        stream->next = gossiping->streams;
        if (stream->next) {
            stream->next->previous = stream;
        }
        gossiping->streams = stream;
        weft_by_key_put(&gossiping->by_key, &stream->keyed);
    }
    return stream;
}

static int ask(struct stream *stream)
{
    struct weft_gossiping *gossiping = stream->gossiping;
    const struct weft_gossiping_options *options = &gossiping->options;
    struct weft_exchange *exchange;
    int error = weft_exchange_new(&exchange, &options->loop->turn);
    if (error < 0) {
        return error;
    }
    exchange->request.method = WEFT_SLICE("POST");
    exchange->request.scheme = WEFT_SLICE("https");
    exchange->request.target = WEFT_SLICE(WEFT_GOSSIPING_PATH);
    error = weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE("content-type"),
                            WEFT_SLICE(WEFT_GOSSIPING_TYPE));
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, stream);
    if (error == 0) {
        error = options->user->ask(options->self, stream->link, exchange);
    }
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, error);
        weft_exchange_leave(exchange, WEFT_ASKER, error);
        return error;
    }
    stream->exchange = exchange;
    return 0;
}

static struct stream *stream_of(struct weft_keyed *keyed)
{
    return keyed ? WEFT_CONTAINER(keyed, struct stream, keyed) : NULL;
}

static struct stream *first_of(const struct weft_gossiping *gossiping, const struct weft_key *key)
{
    return stream_of(weft_by_key_first(&gossiping->by_key, key));
}

static struct stream *next_of(const struct stream *stream)
{
    return stream_of(weft_by_key_next(&stream->keyed));
}

/* Those whose time has come. Returns when the next one's does. */
static weft_time open_streams(struct weft_gossiping *gossiping)
{
    weft_time next = WEFT_NEVER, now = now_of(gossiping);
    for (struct stream *stream = gossiping->streams; stream; stream = stream->next) {
        if (stream->exchange) {
            continue;
        }
        if (stream->again <= now && ask(stream) < 0) {
            stream->again = now + WEFT_GOSSIPING_AGAIN; /* its link has no room, or we have none */
        }
        if (!stream->exchange && stream->again < next) {
            next = stream->again;
        }
    }
    return next;
}

void weft_gossiping_attached(struct weft_gossiping *gossiping, const struct weft_key *gateway, struct weft_link *link)
{
    enum weft_gossip_kind kind = gossiping->gateway ? WEFT_GOSSIP_GATEWAY : WEFT_GOSSIP_ANCHOR;
    struct stream *stream = gossiping->gossip ? new_stream(gossiping, gateway, kind) : NULL;
    if (stream) { /* or else nothing is heard on this link; the next attachment may do better */
        stream->link = link;
        stream->again = now_of(gossiping);
        look_soon(gossiping);
    }
}

void weft_gossiping_detached(struct weft_gossiping *gossiping, const struct weft_key *gateway)
{
    struct stream *stream = gossiping->gossip ? first_of(gossiping, gateway) : NULL;
    while (stream && !opens(stream)) {
        stream = next_of(stream);
    }
    if (stream) {
        close_gossip(stream);
        if (stream->exchange) {
            leave(stream, "closed");
        }
        remove_stream(stream);
    }
}

static size_t accepted_of(const struct weft_gossiping *gossiping, const struct weft_key *key)
{
    size_t count = 0;
    for (const struct stream *stream = first_of(gossiping, key); stream; stream = next_of(stream)) {
        count += opens(stream) ? 0 : 1;
    }
    return count;
}

int weft_gossiping_accept(struct weft_gossiping *gossiping, struct weft_exchange *exchange, const struct weft_key *key,
                          bool gateway)
{
    if (!gossiping->gossip) {
        return WEFT_ERR_CLOSED;
    }
    if (!gossiping->gateway) {
        return WEFT_ERR_DENIED;
    }
    if (accepted_of(gossiping, key) >= WEFT_GOSSIPING_OF_KEY_MAX) {
        return WEFT_ERR_FULL;
    }
    struct stream *stream = new_stream(gossiping, key, gateway ? WEFT_GOSSIP_GATEWAY : WEFT_GOSSIP_MEMBER);
    if (!stream) {
        return WEFT_ERR_MEMORY;
    }
    int error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_GOSSIPING_TYPE));
    if (error == 0) {
        error = weft_gossip_open(gossiping->gossip, &stream->gossip, key, stream->kind, 0, stream, now_of(gossiping));
    }
    if (error < 0) {
        remove_stream(stream);
        return error;
    }
    stream->exchange = exchange;
    exchange->answer.status = 200;
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, stream);
    weft_exchange_want_stream(exchange);
    weft_exchange_begin_answer(exchange);
    gossiping->news = true;
    look_soon(gossiping);
    return 0;
}

/* -- revocations that were heard of -- */

static void on_heard(void *self, struct weft_slice bytes, const struct weft_key *subject)
{
    struct weft_gossiping *gossiping = self;
    struct heard *heard =
        gossiping->heard_count < WEFT_GOSSIPING_KEPT_MAX ? weft_alloc(sizeof(*heard) + bytes.size) : NULL;
    if (!heard) {
        return; /* it counts as long as this node runs, and is heard of again after that */
    }
    *heard = (struct heard){.gossiping = gossiping, .subject = *subject, .size = bytes.size};
    memcpy(heard->bytes, bytes.data, bytes.size);
    if (gossiping->last) {
        gossiping->last->next = heard;
    } else {
        gossiping->first = heard;
    }
    gossiping->last = heard;
    gossiping->heard_count++;
    look_soon(gossiping);
}

static void drop_heard(struct weft_gossiping *gossiping)
{
    struct heard *heard = gossiping->first;
    gossiping->first = heard->next;
    gossiping->last = gossiping->first ? gossiping->last : NULL;
    gossiping->heard_count--;
    weft_free(heard);
}

static void on_kept(void *self, int status, const char *problem)
{
    struct weft_gossiping *gossiping = self;
    struct weft_journal *journal = gossiping->options.journal;
    if (status < 0 && weft_journal_begin(journal, WEFT_LOG_WARN, "revocation not stored")) {
        weft_journal_word(journal, "why", problem);
        weft_journal_end(journal);
    }
    look_soon(gossiping); /* there is room for another */
}

static void keep_heard(struct weft_gossiping *gossiping)
{
    const struct weft_gossiping_options *options = &gossiping->options;
    for (struct heard *heard = gossiping->first; heard; heard = heard->next) {
        if (!heard->told) {
            heard->told = true;
            options->user->revoked(options->self, &heard->subject);
        }
    }
    while (gossiping->first) {
        /* The membership has taken it: it is known, and stored all the same; unless one of the root's has taken its
         * place since, and then it is not waited for. */
        struct weft_slice bytes = weft_slice(gossiping->first->bytes, gossiping->first->size);
        int error = weft_mesh_state_revoke(options->state, bytes, on_kept, gossiping);
        if (error == WEFT_ERR_FULL && weft_membership_keeps(weft_mesh_state_membership(options->state), bytes)) {
            return; /* one of those that are being stored makes room */
        }
        if (error < 0) {
            on_kept(gossiping, error, weft_error_text(error));
        }
        drop_heard(gossiping);
    }
}

/* -- the clock, and what is done about all of it -- */

static void on_look(struct weft_task *task)
{
    struct weft_gossiping *gossiping = WEFT_CONTAINER(task, struct weft_gossiping, look);
    struct weft_timers *timers = &gossiping->options.loop->timers;
    struct weft_gossip_link *ready;
    if (!gossiping->gossip) {
        return;
    }
    keep_heard(gossiping);
    weft_time next = open_streams(gossiping), deadline = weft_gossip_deadline(gossiping->gossip);
    while ((ready = weft_gossip_ready(gossiping->gossip))) {
        struct stream *stream = weft_gossip_user(ready);
        int error = pump_out(stream);
        if (error < 0) {
            end_stream(stream, word_of(error));
        }
    }
    weft_timer_set(timers, &gossiping->clock, next < deadline ? next : deadline);
    if (gossiping->news && !gossiping->slow.place) {
        weft_timer_set(timers, &gossiping->slow, now_of(gossiping) + WEFT_GOSSIPING_SLOW);
    }
}

static void on_clock(struct weft_timer *timer)
{
    struct weft_gossiping *gossiping = WEFT_CONTAINER(timer, struct weft_gossiping, clock);
    if (weft_gossip_deadline(gossiping->gossip) <= now_of(gossiping)) {
        weft_gossip_tick(gossiping->gossip, now_of(gossiping), now_s_of(gossiping));
        gossiping->news = true;
    }
    look_soon(gossiping);
}

static void on_slow(struct weft_timer *timer)
{
    struct weft_gossiping *gossiping = WEFT_CONTAINER(timer, struct weft_gossiping, slow);
    gossiping->news = false;
    gossiping->options.user->changed(gossiping->options.self);
}

/* -- what is known, and said -- */

const struct weft_roster *weft_gossiping_roster(const struct weft_gossiping *gossiping)
{
    return gossiping->roster;
}

const struct weft_gossip *weft_gossiping_gossip(const struct weft_gossiping *gossiping)
{
    return gossiping->gossip;
}

size_t weft_gossiping_streams(const struct weft_gossiping *gossiping)
{
    size_t count = 0;
    for (const struct stream *stream = gossiping->streams; stream; stream = stream->next) {
        count += stream->gossip ? 1 : 0;
    }
    return count;
}

enum weft_roster_outcome weft_gossiping_announce(struct weft_gossiping *gossiping, struct weft_slice announcement)
{
    if (!gossiping->gossip) {
        return WEFT_ROSTER_NO_MEMBER;
    }
    enum weft_roster_outcome outcome =
        weft_gossip_announce(gossiping->gossip, announcement, now_of(gossiping), now_s_of(gossiping));
    look_soon(gossiping);
    return outcome;
}

void weft_gossiping_tell(struct weft_gossiping *gossiping, struct weft_slice revocation)
{
    if (gossiping->gossip) {
        weft_gossip_revoked(gossiping->gossip, revocation, now_s_of(gossiping));
        gossiping->news = true;
        look_soon(gossiping);
    }
}

void weft_gossiping_use(struct weft_gossiping *gossiping, const uint8_t (*hashes)[WEFT_HASH_SIZE], size_t count)
{
    if (gossiping->gossip) {
        weft_gossip_use(gossiping->gossip, hashes, count);
        look_soon(gossiping);
    }
}

/* -- its life -- */

int weft_gossiping_start(struct weft_gossiping *gossiping)
{
    const struct weft_gossiping_options *options = &gossiping->options;
    struct weft_host *host = options->loop->host;
    struct weft_membership *membership = weft_mesh_state_membership(options->state);
    uint64_t seed;
    WEFT_ASSERT(membership);
    if (gossiping->gossip) {
        return 0;
    }
    gossiping->gateway = weft_mesh_state_certificate(options->state)->role == WEFT_ROLE_GATEWAY;
    struct weft_roster_settings of_roster = {.self = options->node->key,
                                             .entries_max = WEFT_GOSSIP_ATTACHED_MAX + WEFT_ROSTER_GATEWAYS_MAX};
    struct weft_gossip_settings settings = {
        .self = options->node->key, .membership = membership, .revoked = on_heard, .user = gossiping};
    host->ops->entropy(host, &of_roster.secret, sizeof(of_roster.secret));
    host->ops->entropy(host, &settings.secret, sizeof(settings.secret));
    host->ops->entropy(host, &settings.seed, sizeof(settings.seed));
    host->ops->entropy(host, &seed, sizeof(seed));
    weft_random_init(&gossiping->random, seed);
    weft_by_key_init(&gossiping->by_key, &settings.secret);
    int error = weft_roster_new(&gossiping->roster, &of_roster, membership);
    if (error == 0) {
        settings.roster = gossiping->roster;
        error = weft_gossip_new(&gossiping->gossip, &settings, now_of(gossiping));
    }
    if (error < 0) {
        weft_roster_free(gossiping->roster);
        gossiping->roster = NULL;
        return error;
    }
    look_soon(gossiping);
    return 0;
}

void weft_gossiping_stop(struct weft_gossiping *gossiping)
{
    struct weft_timers *timers = &gossiping->options.loop->timers;
    while (gossiping->streams) {
        struct stream *stream = gossiping->streams;
        close_gossip(stream);
        if (stream->exchange) {
            leave(stream, "closed");
        }
        remove_stream(stream);
    }
    weft_by_key_deinit(&gossiping->by_key);
    while (gossiping->first) {
        drop_heard(gossiping);
    }
    weft_gossip_free(gossiping->gossip);
    weft_roster_free(gossiping->roster);
    gossiping->gossip = NULL;
    gossiping->roster = NULL;
    gossiping->news = false;
    weft_task_remove(&gossiping->look);
    weft_timer_clear(timers, &gossiping->clock);
    weft_timer_clear(timers, &gossiping->slow);
}

int weft_gossiping_new(struct weft_gossiping **out, const struct weft_gossiping_options *options)
{
    struct weft_timers *timers = &options->loop->timers;
    struct weft_gossiping *gossiping = *out = weft_zalloc(sizeof(*gossiping));
    if (!gossiping) {
        return WEFT_ERR_MEMORY;
    }
    gossiping->options = *options;
    weft_task_init(&gossiping->look, on_look);
    weft_timer_init(&gossiping->clock, on_clock);
    weft_timer_init(&gossiping->slow, on_slow);
    int error = weft_timers_reserve(timers);
    if (error == 0) {
        error = weft_timers_reserve(timers);
        if (error < 0) {
            weft_timers_release(timers);
        }
    }
    if (error < 0) {
        weft_free(gossiping);
        *out = NULL;
    }
    return error;
}

void weft_gossiping_free(struct weft_gossiping *gossiping)
{
    if (!gossiping) {
        return;
    }
    weft_gossiping_stop(gossiping);
    weft_timers_release(&gossiping->options.loop->timers);
    weft_timers_release(&gossiping->options.loop->timers);
    weft_free(gossiping);
}
