/* mesh/catalogue.c - which models the mesh serves. */
#include "mesh/catalogue.h"

#define VOTERS_MAX 8 /* of whom we ask what they call a model */

/* What the roster says of one model. */
struct found {
    struct weft_holders_range range;
    uint64_t model;
    uint64_t live;
    bool strangers;
};

void weft_catalogue_init(struct weft_catalogue *catalogue)
{
    *catalogue = (struct weft_catalogue){0};
}

static uint64_t rounded_down(uint64_t number)
{
    uint64_t power = number > 0 ? 1 : 0;
    while (power <= number / 2) {
        power *= 2;
    }
    return power;
}

/* -- lines -- */

static size_t place_of(const struct weft_catalogue *catalogue, uint64_t model)
{
    size_t low = 0, high = catalogue->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalogue->lines[middle].model < model) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct weft_catalogue_line *find(struct weft_catalogue *catalogue, uint64_t model)
{
    size_t place = place_of(catalogue, model);
    return place < catalogue->count && catalogue->lines[place].model == model ? &catalogue->lines[place] : NULL;
}

static void set_peers(struct weft_catalogue *catalogue, struct weft_catalogue_line *line, uint64_t peers, weft_time now)
{
    if (line->peers != peers) {
        line->peers = peers;
        line->version = ++catalogue->version;
        line->since = now;
    }
}

static void remove_old(struct weft_catalogue *catalogue, weft_time now)
{
    size_t kept = 0;
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct weft_catalogue_line *line = &catalogue->lines[i];
        if (line->peers > 0 || now - line->since < WEFT_CATALOGUE_LINGER) {
            catalogue->lines[kept++] = *line;
        }
    }
    catalogue->count = kept;
}

/* NULL: no place. */
static struct weft_catalogue_line *add(struct weft_catalogue *catalogue, uint64_t model,
                                       const struct weft_gossip_line *said)
{
    if (catalogue->count == WEFT_CATALOGUE_MAX || said->alias.size > WEFT_ANNOUNCEMENT_ALIAS_MAX) {
        return NULL;
    }
    size_t place = place_of(catalogue, model);
    struct weft_catalogue_line *line = &catalogue->lines[place];
    memmove(line + 1, line, (catalogue->count - place) * sizeof(*line));
    *line = (struct weft_catalogue_line){.model = model, .alias_size = (uint8_t)said->alias.size};
    memcpy(line->hash, said->hash, sizeof(line->hash));
    memcpy(line->alias, said->alias.data, said->alias.size);
    catalogue->count++;
    return line;
}

struct weft_gossip_line weft_catalogue_said(const struct weft_catalogue_line *line)
{
    struct weft_gossip_line said = {.alias = weft_slice(line->alias, line->alias_size), .peers = line->peers};
    memcpy(said.hash, line->hash, sizeof(said.hash));
    return said;
}

void weft_catalogue_put(struct weft_catalogue *catalogue, uint64_t model, const struct weft_gossip_line *said,
                        weft_time now)
{
    remove_old(catalogue, now);
    struct weft_catalogue_line *line = find(catalogue, model);
    if (!line && said->peers > 0) {
        line = add(catalogue, model, said);
    }
    if (line) {
        set_peers(catalogue, line, said->peers, now);
    }
}

const struct weft_catalogue_line *weft_catalogue_after(const struct weft_catalogue *catalogue, uint64_t told)
{
    const struct weft_catalogue_line *next = NULL;
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct weft_catalogue_line *line = &catalogue->lines[i];
        if (line->version > told && (!next || line->version < next->version)) {
            next = line;
        }
    }
    return next;
}

/* -- from the roster -- */

/* What one entry calls the model; what it points into is the entry's announcement. */
static bool called(const struct weft_roster *roster, const struct weft_entry *entry, uint64_t model,
                   struct weft_gossip_line *out)
{
    struct weft_announcement announcement;
    struct weft_signed parts;
    if (!entry->bytes || weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts) < 0) {
        return false;
    }
    for (size_t i = 0; i < announcement.model_count; i++) {
        const struct weft_announced_model *one = &announcement.models[i];
        if (weft_holders_model(weft_roster_models(roster), one->hash, one->alias) == model) {
            out->alias = one->alias;
            memcpy(out->hash, one->hash, sizeof(out->hash));
            return true;
        }
    }
    return false;
}

static const struct weft_entry *live_holder(const struct weft_roster *roster, size_t index)
{
    const struct weft_entry *entry = weft_roster_at(roster, weft_holders_entry(weft_roster_models(roster), index));
    return entry && weft_roster_state(entry) != WEFT_ROSTER_GONE ? entry : NULL;
}

/* By the word of most of the first few. */
static bool name_of(const struct weft_roster *roster, const struct found *found, struct weft_gossip_line *out)
{
    struct weft_gossip_line said[VOTERS_MAX];
    size_t count = 0, best = 0, most = 0;
    for (size_t i = 0; i < found->range.count && count < VOTERS_MAX; i++) {
        const struct weft_entry *entry = live_holder(roster, found->range.first + i);
        count += entry && called(roster, entry, found->model, &said[count]) ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t votes = 0;
        for (size_t j = 0; j < count; j++) {
            votes += weft_slice_equal(said[i].alias, said[j].alias) ? 1 : 0;
        }
        if (votes > most) {
            most = votes;
            best = i;
        }
    }
    if (count > 0) {
        *out = said[best];
    }
    return count > 0;
}

/* The model that stands at `first` in the index, and all who hold it. */
static struct found look_at(const struct weft_roster *roster, size_t first)
{
    const struct weft_holders *holders = weft_roster_models(roster);
    struct found found = {.range.first = first, .model = weft_holders_model_at(holders, first), .strangers = true};
    while (first + found.range.count < holders->count &&
           weft_holders_model_at(holders, first + found.range.count) == found.model) {
        const struct weft_entry *entry = live_holder(roster, first + found.range.count);
        found.range.count++;
        found.live += entry ? 1 : 0;
        found.strangers = found.strangers && !(entry && entry->kind == WEFT_ENTRY_MEMBER);
    }
    return found;
}

static size_t strangers_of(const struct weft_catalogue *catalogue)
{
    size_t count = 0;
    for (size_t i = 0; i < catalogue->count; i++) {
        count += catalogue->lines[i].strangers ? 1 : 0;
    }
    return count;
}

void weft_catalogue_update(struct weft_catalogue *catalogue, const struct weft_roster *roster, weft_time now)
{
    const struct weft_holders *holders = weft_roster_models(roster);
    bool served[WEFT_CATALOGUE_MAX] = {false};
    remove_old(catalogue, now);
    size_t strangers = strangers_of(catalogue);
    for (size_t first = 0; first < holders->count;) {
        struct found found = look_at(roster, first);
        struct weft_catalogue_line *line = found.live > 0 ? find(catalogue, found.model) : NULL;
        struct weft_gossip_line name;
        first += found.range.count;
        if (!line && found.live > 0 && catalogue->count < WEFT_CATALOGUE_MAX &&
            (!found.strangers || strangers < WEFT_CATALOGUE_STRANGERS_MAX) && name_of(roster, &found, &name)) {
            line = add(catalogue, found.model, &name);
            if (line) { /* those behind it moved by one */
                size_t place = (size_t)(line - catalogue->lines);
                memmove(&served[place + 1], &served[place], (WEFT_CATALOGUE_MAX - 1 - place) * sizeof(served[0]));
                strangers += found.strangers ? 1 : 0;
            }
        }
        if (line) {
            line->strangers = found.strangers;
            served[line - catalogue->lines] = true;
            set_peers(catalogue, line, rounded_down(found.live), now);
        }
    }
    for (size_t i = 0; i < catalogue->count; i++) {
        if (!served[i]) {
            set_peers(catalogue, &catalogue->lines[i], 0, now);
        }
    }
}
