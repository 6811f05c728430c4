/* node/tenancy.c - which model is loaded next, and which one goes for it. */
#include "node/tenancy.h"

#define NOBODY SIZE_MAX

/* What is taken, and by how many. */
struct taken {
    size_t loaded;
    uint64_t held;      /* bytes of those that are loaded */
    uint64_t held_busy; /* of those among them that answers need */
    bool moving;        /* an engine loads, or is ending */
};

static struct taken count_taken(const struct weft_tenancy *tenancy)
{
    struct taken taken = {0};
    for (size_t i = 0; i < tenancy->count; i++) {
        const struct weft_tenant *tenant = &tenancy->at[i];
        taken.moving = taken.moving || tenant->state == WEFT_TENANT_LOADING || tenant->state == WEFT_TENANT_LEAVING;
        if (tenant->state == WEFT_TENANT_IN) {
            taken.loaded++;
            taken.held += tenant->memory;
            taken.held_busy += tenant->users > 0 ? tenant->memory : 0;
        }
    }
    return taken;
}

/* One whose time is over, or when the next one's will be. */
static size_t find_idle(const struct weft_tenancy *tenancy, weft_time *again)
{
    for (size_t i = 0; i < tenancy->count && tenancy->keep_alive > 0; i++) {
        const struct weft_tenant *tenant = &tenancy->at[i];
        if (tenant->state != WEFT_TENANT_IN || tenant->stays || tenant->users > 0) {
            continue;
        }
        weft_time over = tenant->used + tenancy->keep_alive;
        if (over <= tenancy->now) {
            return i;
        }
        *again = over < *again ? over : *again;
    }
    return NOBODY;
}

/* The one that nobody has needed for longest, of those that nobody needs now. */
static size_t find_least_recent(const struct weft_tenancy *tenancy)
{
    size_t found = NOBODY;
    for (size_t i = 0; i < tenancy->count; i++) {
        const struct weft_tenant *tenant = &tenancy->at[i];
        if (tenant->state == WEFT_TENANT_IN && tenant->users == 0 &&
            (found == NOBODY || tenant->used < tenancy->at[found].used)) {
            found = i;
        }
    }
    return found;
}

static bool before(const struct weft_tenancy *tenancy, size_t a, size_t b)
{
    weft_time first = tenancy->at[a].since, second = tenancy->at[b].since;
    return first < second || (first == second && a < b);
}

/* Who has been due for longest, behind `last`. */
static size_t next_due(const struct weft_tenancy *tenancy, size_t last)
{
    size_t found = NOBODY;
    for (size_t i = 0; i < tenancy->count; i++) {
        if (tenancy->at[i].due && tenancy->at[i].state == WEFT_TENANT_OUT &&
            (last == NOBODY || before(tenancy, last, i)) && (found == NOBODY || before(tenancy, i, found))) {
            found = i;
        }
    }
    return found;
}

static bool fits(uint64_t budget, uint64_t held, uint64_t memory)
{
    return budget == 0 || (budget > held && memory <= budget - held);
}

/* What is done for one that is due: NOTHING if it must wait until others are needed no more. */
static struct weft_tenancy_decision help(const struct weft_tenancy *tenancy, const struct taken *taken, size_t index)
{
    const struct weft_tenant *tenant = &tenancy->at[index];
    struct weft_tenancy_decision decision = {.step = WEFT_TENANCY_NOTHING, .index = index};
    bool room = taken->loaded < tenancy->most && fits(tenancy->budget, taken->held, tenant->memory);
    if (!tenant->refused && (room || taken->loaded == 0)) {
        decision.step = WEFT_TENANCY_LOAD; /* alone it is tried in any case: its engine says what is wrong */
        decision.room = tenancy->budget > 0 ? tenancy->budget - taken->held : 0;
    } else if (taken->loaded == 0) {
        decision.step = WEFT_TENANCY_GIVE_UP;
    } else if (!tenant->asked && tenant->users == 0) {
        decision.step = WEFT_TENANCY_LEAVE_OUT;
    } else if (taken->held_busy == 0 || fits(tenancy->budget, taken->held_busy, tenant->memory)) {
        /* Otherwise those that nobody needs would go in vain. */
        size_t victim = find_least_recent(tenancy);
        if (victim != NOBODY) {
            decision.step = WEFT_TENANCY_UNLOAD_FOR;
            decision.index = victim;
        }
    }
    return decision;
}

struct weft_tenancy_decision weft_tenancy_decide(const struct weft_tenancy *tenancy)
{
    struct taken taken = count_taken(tenancy);
    struct weft_tenancy_decision decision = {.step = WEFT_TENANCY_NOTHING};
    weft_time again = WEFT_NEVER;
    size_t idle = find_idle(tenancy, &again);
    if (idle != NOBODY) {
        decision.step = WEFT_TENANCY_UNLOAD_IDLE;
        decision.index = idle;
    }
    size_t due = taken.moving ? NOBODY : next_due(tenancy, NOBODY);
    while (decision.step == WEFT_TENANCY_NOTHING && due != NOBODY) {
        decision = help(tenancy, &taken, due);
        due = next_due(tenancy, due);
    }
    decision.again = again;
    return decision;
}
