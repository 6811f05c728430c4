/* node/opt_in.c - a node that was started with an invite (WEFT_MESH_KEY) joins by it, and asks again until a gateway
 * has answered. */
#include "node/opt_in.h"

#include "base/error.h"
#include "crypto/secret.h"

/* Those of weft_mesh_join() that may be otherwise a while later. */
static bool may_pass(const char *code)
{
    static const char *const codes[] = {"unreachable", "busy",        "cannot_begin",
                                        "not_stored",  "issuer_away", "gateway_lapsed"};
    for (size_t i = 0; i < WEFT_COUNT(codes); i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void note_joined(const struct weft_opt_in *opt_in)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(weft_mesh_state_of(opt_in->mesh));
    char mesh[WEFT_PEER_ID_SIZE];
    if (weft_journal_begin(opt_in->journal, WEFT_LOG_INFO, "joined a mesh")) {
        weft_key_text(&own->mesh, mesh);
        weft_journal_word(opt_in->journal, "mesh", mesh);
        weft_journal_word(opt_in->journal, "role", weft_role_text(own->role));
        weft_journal_word(opt_in->journal, "meaning", "what is asked through a gateway can be read there");
        weft_journal_end(opt_in->journal);
    }
}

static void note_failed(struct weft_opt_in *opt_in, const struct weft_mesh_joined *joined)
{
    bool again = opt_in->said && strcmp(opt_in->said, joined->code) == 0;
    opt_in->said = joined->code;
    if (!again && weft_journal_begin(opt_in->journal, WEFT_LOG_WARN, "joined no mesh")) {
        weft_journal_word(opt_in->journal, "why", joined->problem);
        weft_journal_word(opt_in->journal, "meaning",
                          may_pass(joined->code) ? "this node asks again until it is answered"
                                                 : "this node does not ask again before it is started anew");
        weft_journal_end(opt_in->journal);
    }
}

static void end(struct weft_opt_in *opt_in)
{
    weft_secret_wipe(opt_in->line, sizeof(opt_in->line));
}

static void on_joined(void *self, const struct weft_mesh_joined *joined)
{
    struct weft_opt_in *opt_in = self;
    uint64_t draw;
    if (joined->status == 0) {
        note_joined(opt_in);
        end(opt_in);
    } else if (strcmp(joined->code, "already_in") == 0) {
        end(opt_in); /* it joined before, or its owner was quicker */
    } else {
        note_failed(opt_in, joined);
        if (!may_pass(joined->code)) {
            end(opt_in);
            return;
        }
        /* Not all machines of a rack at once. */
        opt_in->loop->host->ops->entropy(opt_in->loop->host, &draw, sizeof(draw));
        weft_timer_set(&opt_in->loop->timers, &opt_in->timer,
                       opt_in->loop->turn.now + opt_in->wait / 2 + (weft_time)(draw % (uint64_t)opt_in->wait));
        opt_in->wait = opt_in->wait < WEFT_OPT_IN_MOST ? 2 * opt_in->wait : opt_in->wait;
    }
}

static void ask(struct weft_opt_in *opt_in)
{
    weft_mesh_join(opt_in->mesh, weft_slice_text(opt_in->line), on_joined, opt_in);
}

static void on_timer(struct weft_timer *timer)
{
    ask(WEFT_CONTAINER(timer, struct weft_opt_in, timer));
}

void weft_opt_in_start(struct weft_opt_in *opt_in)
{
    if (opt_in->line[0] != '\0') {
        ask(opt_in);
    }
}

void weft_opt_in_stop(struct weft_opt_in *opt_in)
{
    end(opt_in);
    if (opt_in->loop) {
        weft_timer_clear(&opt_in->loop->timers, &opt_in->timer);
    }
}

int weft_opt_in_init(struct weft_opt_in *opt_in, struct weft_loop *loop, struct weft_journal *journal,
                     struct weft_mesh *mesh, struct weft_slice line)
{
    int error = line.size < sizeof(opt_in->line) ? weft_timers_reserve(&loop->timers) : WEFT_ERR_TOO_LARGE;
    if (error < 0) {
        return error;
    }
    *opt_in = (struct weft_opt_in){.loop = loop, .journal = journal, .mesh = mesh, .wait = WEFT_OPT_IN_FIRST};
    if (line.size > 0) {
        memcpy(opt_in->line, line.data, line.size);
    }
    weft_timer_init(&opt_in->timer, on_timer);
    return 0;
}

void weft_opt_in_deinit(struct weft_opt_in *opt_in)
{
    if (opt_in->loop) {
        weft_opt_in_stop(opt_in);
        weft_timers_release(&opt_in->loop->timers);
        opt_in->loop = NULL;
    }
}
