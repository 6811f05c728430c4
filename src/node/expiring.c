/* node/expiring.c - links end with the certificates that their peers have shown. */
#include "node/expiring.h"

static void look_later(struct weft_expiring *expiring)
{
    weft_timer_set(&expiring->options.loop->timers, &expiring->timer,
                   expiring->options.loop->turn.now + WEFT_EXPIRING_LOOK);
}

/* What it announces may carry a newer certificate than it has shown on a link. */
static void take_announced(const struct weft_expiring *expiring, const struct weft_key *key, int64_t now_s)
{
    const struct weft_expiring_options *options = &expiring->options;
    const struct weft_roster *roster = weft_gossiping_roster(weft_mesh_gossip_of(options->gossip));
    const struct weft_entry *entry = roster ? weft_roster_get(roster, key) : NULL;
    struct weft_membership *membership = weft_mesh_state_membership(options->state);
    struct weft_announcement said;
    struct weft_signed parts;
    int error;
    if (!entry || !entry->bytes || weft_announcement_read(weft_roster_bytes(entry), &said, &parts) < 0 ||
        weft_membership_ends_s(said.chain) <= weft_known_ends_s(options->known, key)) {
        return; /* the same: no need to judge it each time */
    }
    /* If it is worth nothing, or there is no memory for it, what was shown before holds until its end. */
    (void)weft_known_show(options->known, membership, key, said.chain, now_s, &error);
}

static void cut_links(const struct weft_expiring *expiring, const struct weft_key *key)
{
    const struct weft_expiring_options *options = &expiring->options;
    const struct weft_links *links = options->links(options->self);
    for (struct weft_link *link = links ? weft_links_of(links, key) : NULL; link; link = weft_link_next_of(link)) {
        weft_link_cut(link, "the certificate that its peer has shown is past its end"); /* in the flush, not here */
    }
}

static void on_timer(struct weft_timer *timer)
{
    struct weft_expiring *expiring = WEFT_CONTAINER(timer, struct weft_expiring, timer);
    const struct weft_expiring_options *options = &expiring->options;
    int64_t now_s = weft_mesh_state_now_s(options->state);
    size_t cursor = 0;
    look_later(expiring);
    if (!weft_mesh_state_membership(options->state)) {
        return;
    }
    for (const struct weft_key *at; (at = weft_known_ended(options->known, now_s + WEFT_EXPIRING_AHEAD_S, &cursor));) {
        const struct weft_key key = *at;
        take_announced(expiring, &key, now_s);
        if (weft_known_ends_s(options->known, &key) < now_s) {
            cut_links(expiring, &key);
        }
    }
}

void weft_expiring_start(struct weft_expiring *expiring)
{
    if (expiring->timer.place == 0) {
        look_later(expiring);
    }
}

void weft_expiring_stop(struct weft_expiring *expiring)
{
    if (expiring->options.loop) {
        weft_timer_clear(&expiring->options.loop->timers, &expiring->timer);
    }
}

int weft_expiring_init(struct weft_expiring *expiring, const struct weft_expiring_options *options)
{
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        return error;
    }
    *expiring = (struct weft_expiring){.options = *options};
    weft_timer_init(&expiring->timer, on_timer);
    return 0;
}

void weft_expiring_deinit(struct weft_expiring *expiring)
{
    if (expiring->options.loop) {
        weft_expiring_stop(expiring);
        weft_timers_release(&expiring->options.loop->timers);
        expiring->options.loop = NULL;
    }
}
