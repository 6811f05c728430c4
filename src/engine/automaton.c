/* engine/automaton.c - the states of a grammar, made as they are met.
 *
 * Stacks are chains of (element, what is below), each pair kept once, so that equal stacks have equal numbers. */
#include "engine/automaton.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define EMPTY       0u /* the stack that has nothing on it: the text may end */
#define TABLE_MIN   1024
#define MEMBERS_MAX (4 * WEFT_AUTOMATON_STACKS_MAX) /* stacks in all states together */
#define KEEP_SHARE  2                               /* past 1/2 of a limit, the next _make_room forgets */

struct stack {
    uint32_t element, below;
};

struct state {
    uint32_t first, count; /* of members, in rising order */
};

struct step {
    uint32_t state, point, next;
};

/* Numbers of what is kept elsewhere, found by its hash; 0 is a free place. */
struct table {
    uint32_t *numbers;
    size_t count, room;
};

struct list {
    void *data;
    size_t count, room;
};

struct weft_automaton {
    const struct weft_gbnf *gbnf;
    struct list stacks, states, members, steps;
    struct table stack_table, state_table, step_table;
    struct list seen;    /* by stack: the closure in which it was last met */
    struct list waiting; /* stacks of a closure that are yet to be looked at */
    struct list found;   /* and those that say what comes next */
    uint32_t closure;
    size_t work;
};

/* -- lists and tables -- */

static void *list_add(struct list *list, size_t size, size_t max, int *error)
{
    if (list->count == max) {
        *error = WEFT_ERR_TOO_LARGE;
        return NULL;
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 256 : 2 * list->room;
        void *grown = weft_realloc(list->data, room * size);
        if (!grown) {
            *error = WEFT_ERR_MEMORY;
            return NULL;
        }
        list->data = grown;
        list->room = room;
    }
    return (char *)list->data + list->count++ * size;
}

static int list_add_number(struct list *list, size_t max, uint32_t number)
{
    int error = 0;
    uint32_t *place = list_add(list, sizeof(*place), max, &error);
    if (place) {
        *place = number;
    }
    return error;
}

static uint64_t mix(uint64_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t hash_pair(uint32_t a, uint32_t b)
{
    return mix(mix(1, a), b);
}

static uint64_t hash_members(const uint32_t *members, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = mix(hash, members[i]);
    }
    return hash;
}

static uint64_t hash_of(const struct weft_automaton *automaton, const struct table *table, uint32_t number)
{
    if (table == &automaton->stack_table) {
        const struct stack *stack = (const struct stack *)automaton->stacks.data + number;
        return hash_pair(stack->element, stack->below);
    }
    if (table == &automaton->step_table) {
        const struct step *step = (const struct step *)automaton->steps.data + number;
        return hash_pair(step->state, step->point);
    }
    const struct state *state = (const struct state *)automaton->states.data + number;
    return hash_members((const uint32_t *)automaton->members.data + state->first, state->count);
}

static void table_put(struct table *table, uint64_t hash, uint32_t number)
{
    size_t at = (size_t)hash & (table->room - 1);
    while (table->numbers[at] != 0) {
        at = (at + 1) & (table->room - 1);
    }
    table->numbers[at] = number;
}

/* Room for one more, so that half of the places stay free. */
static int table_reserve(const struct weft_automaton *automaton, struct table *table)
{
    if (2 * (table->count + 1) <= table->room) {
        return 0;
    }
    struct table grown = {.count = table->count, .room = table->room == 0 ? TABLE_MIN : 2 * table->room};
    grown.numbers = weft_calloc(grown.room, sizeof(*grown.numbers));
    if (!grown.numbers) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < table->room; i++) {
        if (table->numbers[i] != 0) {
            table_put(&grown, hash_of(automaton, table, table->numbers[i]), table->numbers[i]);
        }
    }
    weft_free(table->numbers);
    *table = grown;
    return 0;
}

static void table_clear(struct table *table)
{
    if (table->numbers) {
        memset(table->numbers, 0, table->room * sizeof(*table->numbers));
    }
    table->count = 0;
}

/* -- stacks -- */

static const struct stack *stack_at(const struct weft_automaton *automaton, uint32_t number)
{
    return (const struct stack *)automaton->stacks.data + number;
}

static const struct weft_gbnf_element *top_of(const struct weft_automaton *automaton, uint32_t stack)
{
    return &automaton->gbnf->elements[stack_at(automaton, stack)->element];
}

/* The number of the stack with this element on top of `below`. At the end of an alternative there is none to put. */
static int push(struct weft_automaton *automaton, uint32_t element, uint32_t below, uint32_t *number)
{
    *number = below;
    if (weft_gbnf_ends(automaton->gbnf, element)) {
        return 0;
    }
    struct table *table = &automaton->stack_table;
    uint64_t hash = hash_pair(element, below);
    for (size_t at = (size_t)hash; table->room > 0; at++) {
        uint32_t found = table->numbers[at & (table->room - 1)];
        if (found == 0) {
            break;
        }
        if (stack_at(automaton, found)->element == element && stack_at(automaton, found)->below == below) {
            *number = found;
            return 0;
        }
    }
    int error = table_reserve(automaton, table);
    if (error == 0) {
        error = list_add_number(&automaton->seen, WEFT_AUTOMATON_STACKS_MAX, 0);
    }
    struct stack *added =
        error == 0 ? list_add(&automaton->stacks, sizeof(*added), WEFT_AUTOMATON_STACKS_MAX, &error) : NULL;
    if (!added) {
        return error;
    }
    *added = (struct stack){.element = element, .below = below};
    *number = (uint32_t)automaton->stacks.count - 1;
    table_put(table, hash, *number);
    table->count++;
    return 0;
}

/* -- closures: from stacks with rules on top to those that say what comes next -- */

static void closure_begin(struct weft_automaton *automaton)
{
    automaton->waiting.count = automaton->found.count = 0;
    automaton->closure++;
    if (automaton->closure == 0) { /* the numbers have gone round: nothing of before may look new */
        memset(automaton->seen.data, 0, automaton->seen.count * sizeof(uint32_t));
        automaton->closure = 1;
    }
}

static int closure_add(struct weft_automaton *automaton, uint32_t stack)
{
    uint32_t *seen = (uint32_t *)automaton->seen.data + stack;
    if (*seen == automaton->closure) {
        return 0;
    }
    *seen = automaton->closure;
    return list_add_number(&automaton->waiting, WEFT_AUTOMATON_STACKS_MAX, stack);
}

/* A rule is on top: each of its alternatives takes its place. */
static int closure_expand(struct weft_automaton *automaton, uint32_t stack)
{
    const struct weft_gbnf *gbnf = automaton->gbnf;
    uint32_t element = stack_at(automaton, stack)->element, after, first;
    int error = push(automaton, element + 1, stack_at(automaton, stack)->below, &after);
    uint32_t at = gbnf->rules[gbnf->elements[element].value];
    for (bool more = true; more && error == 0; at++) {
        error = push(automaton, at, after, &first);
        error = error < 0 ? error : closure_add(automaton, first);
        while (!weft_gbnf_ends(gbnf, at)) {
            at++;
        }
        more = gbnf->elements[at].kind == WEFT_GBNF_OR;
        automaton->work++;
    }
    return error;
}

static int closure_run(struct weft_automaton *automaton)
{
    int error = 0;
    while (automaton->waiting.count > 0 && error == 0) {
        uint32_t stack = ((const uint32_t *)automaton->waiting.data)[--automaton->waiting.count];
        if (++automaton->work > WEFT_AUTOMATON_WORK_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        if (stack != EMPTY && top_of(automaton, stack)->kind == WEFT_GBNF_RULE) {
            error = closure_expand(automaton, stack);
        } else {
            error = list_add_number(&automaton->found, WEFT_AUTOMATON_STACKS_MAX, stack);
        }
    }
    return error;
}

/* Shell's sort: the sets are small, and none is bad enough to matter. */
static void sort(uint32_t *numbers, size_t count)
{
    size_t gap = 1;
    while (gap < count / 3) {
        gap = 3 * gap + 1;
    }
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < count; i++) {
            uint32_t moved = numbers[i];
            size_t j = i;
            for (; j >= gap && numbers[j - gap] > moved; j -= gap) {
                numbers[j] = numbers[j - gap];
            }
            numbers[j] = moved;
        }
    }
}

/* The state that the closure has come to. */
static int closure_end(struct weft_automaton *automaton, uint32_t *number)
{
    *number = WEFT_AUTOMATON_DEAD;
    int error = closure_run(automaton);
    uint32_t *found = automaton->found.data;
    size_t count = automaton->found.count;
    if (error < 0 || count == 0) {
        return error;
    }
    sort(found, count);
    automaton->work += count;
    struct table *table = &automaton->state_table;
    uint64_t hash = hash_members(found, count);
    for (size_t at = (size_t)hash; table->room > 0; at++) {
        uint32_t candidate = table->numbers[at & (table->room - 1)];
        if (candidate == 0) {
            break;
        }
        const struct state *state = (const struct state *)automaton->states.data + candidate;
        const uint32_t *members = (const uint32_t *)automaton->members.data + state->first;
        if (state->count == count && memcmp(members, found, count * sizeof(*found)) == 0) {
            *number = candidate;
            return 0;
        }
    }
    error = table_reserve(automaton, table);
    uint32_t first = (uint32_t)automaton->members.count;
    for (size_t i = 0; i < count && error == 0; i++) {
        error = list_add_number(&automaton->members, MEMBERS_MAX, found[i]);
    }
    struct state *added =
        error == 0 ? list_add(&automaton->states, sizeof(*added), WEFT_AUTOMATON_STATES_MAX, &error) : NULL;
    if (!added) {
        automaton->members.count = first;
        return error;
    }
    *added = (struct state){.first = first, .count = (uint32_t)count};
    *number = (uint32_t)automaton->states.count - 1;
    table_put(table, hash, *number);
    table->count++;
    return 0;
}

/* -- the automaton -- */

/* Forgets all but stack 0, state 0 and step 0, which stand for themselves. */
static int forget(struct weft_automaton *automaton)
{
    automaton->stacks.count = automaton->states.count = automaton->members.count = automaton->steps.count = 0;
    automaton->seen.count = 0;
    table_clear(&automaton->stack_table);
    table_clear(&automaton->state_table);
    table_clear(&automaton->step_table);
    int error = 0;
    struct stack *stack = list_add(&automaton->stacks, sizeof(*stack), 1, &error);
    struct state *state = list_add(&automaton->states, sizeof(*state), 1, &error);
    struct step *step = list_add(&automaton->steps, sizeof(*step), 1, &error);
    if (!stack || !state || !step) {
        return error;
    }
    *stack = (struct stack){0};
    *state = (struct state){0};
    *step = (struct step){0};
    return list_add_number(&automaton->seen, 1, 0);
}

int weft_automaton_new(struct weft_automaton **out, const struct weft_gbnf *gbnf, uint32_t *start)
{
    *out = NULL;
    struct weft_automaton *automaton = weft_zalloc(sizeof(*automaton));
    if (!automaton) {
        return WEFT_ERR_MEMORY;
    }
    automaton->gbnf = gbnf;
    uint32_t root;
    int error = forget(automaton);
    if (error == 0) {
        error = push(automaton, 0, EMPTY, &root); /* the first element refers to the root */
    }
    if (error == 0) {
        closure_begin(automaton);
        error = closure_add(automaton, root);
    }
    if (error == 0) {
        error = closure_end(automaton, start);
    }
    if (error < 0) {
        weft_automaton_free(automaton);
        return error;
    }
    *out = automaton;
    return 0;
}

static void lists_free(struct weft_automaton *automaton)
{
    weft_free(automaton->stacks.data);
    weft_free(automaton->states.data);
    weft_free(automaton->members.data);
    weft_free(automaton->steps.data);
    weft_free(automaton->stack_table.numbers);
    weft_free(automaton->state_table.numbers);
    weft_free(automaton->step_table.numbers);
    weft_free(automaton->seen.data);
    weft_free(automaton->waiting.data);
    weft_free(automaton->found.data);
}

void weft_automaton_free(struct weft_automaton *automaton)
{
    if (!automaton) {
        return;
    }
    lists_free(automaton);
    weft_free(automaton);
}

/* A stack of `from`, made again in `to`. */
static int copy_stack(const struct weft_automaton *from, uint32_t stack, struct weft_automaton *to, uint32_t *copy)
{
    struct list chain = {.data = NULL};
    int error = 0;
    for (; stack != EMPTY && error == 0; stack = stack_at(from, stack)->below) {
        if (++to->work > WEFT_AUTOMATON_WORK_MAX) {
            error = WEFT_ERR_TOO_LARGE;
            break;
        }
        error = list_add_number(&chain, WEFT_AUTOMATON_STACKS_MAX, stack_at(from, stack)->element);
    }
    *copy = EMPTY;
    while (chain.count > 0 && error == 0) {
        error = push(to, ((const uint32_t *)chain.data)[--chain.count], *copy, copy);
    }
    weft_free(chain.data);
    return error;
}

static int keep_only(struct weft_automaton *automaton, uint32_t *number)
{
    struct weft_automaton fresh = {.gbnf = automaton->gbnf, .work = automaton->work};
    const struct state *state = (const struct state *)automaton->states.data + *number;
    int error = forget(&fresh);
    closure_begin(&fresh);
    for (size_t i = 0; i < state->count && error == 0; i++) {
        uint32_t copy;
        error = copy_stack(automaton, ((const uint32_t *)automaton->members.data)[state->first + i], &fresh, &copy);
        error = error < 0 ? error : closure_add(&fresh, copy);
    }
    uint32_t kept = WEFT_AUTOMATON_DEAD;
    if (error == 0) {
        error = closure_end(&fresh, &kept);
    }
    if (error < 0) {
        lists_free(&fresh);
        return error;
    }
    lists_free(automaton);
    *automaton = fresh;
    *number = kept;
    return 0;
}

void weft_automaton_begin(struct weft_automaton *automaton)
{
    automaton->work = 0;
}

int weft_automaton_make_room(struct weft_automaton *automaton, uint32_t *state)
{
    bool much = automaton->stacks.count > WEFT_AUTOMATON_STACKS_MAX / KEEP_SHARE ||
                automaton->states.count > WEFT_AUTOMATON_STATES_MAX / KEEP_SHARE ||
                automaton->members.count > MEMBERS_MAX / KEEP_SHARE ||
                automaton->steps.count > WEFT_AUTOMATON_STEPS_MAX / KEEP_SHARE;
    return much ? keep_only(automaton, state) : 0;
}

static bool in_ranges(const struct weft_automaton *automaton, const struct weft_gbnf_element *element, uint32_t low,
                      uint32_t high)
{
    const struct weft_gbnf_range *ranges = automaton->gbnf->ranges; /* NULL where a grammar has none */
    for (uint32_t i = element->value; i < element->value + element->count; i++) {
        if (ranges[i].low <= high && low <= ranges[i].high) {
            return true;
        }
    }
    return false;
}

/* May a character from `low` to `high` come where this element is on top? */
static bool takes(struct weft_automaton *automaton, const struct weft_gbnf_element *element, uint32_t low,
                  uint32_t high)
{
    automaton->work += element->count;
    if (element->kind == WEFT_GBNF_CHARS) {
        return in_ranges(automaton, element, low, high);
    }
    return element->kind == WEFT_GBNF_NOT_CHARS && !in_ranges(automaton, element, low, high);
}

/* All stacks whose top takes it (`token`: as a token), without that top. */
static int step(struct weft_automaton *automaton, uint32_t number, bool token, uint32_t value, uint32_t *next)
{
    closure_begin(automaton);
    const struct state state = ((const struct state *)automaton->states.data)[number];
    int error = 0;
    for (size_t i = 0; i < state.count && error == 0; i++) {
        uint32_t stack = ((const uint32_t *)automaton->members.data)[state.first + i], rest;
        if (stack == EMPTY) {
            continue;
        }
        const struct weft_gbnf_element *top = top_of(automaton, stack);
        bool taken = token ? (top->kind == WEFT_GBNF_TOKEN && top->value == value) ||
                                 (top->kind == WEFT_GBNF_NOT_TOKEN && top->value != value)
                           : takes(automaton, top, value, value);
        if (++automaton->work > WEFT_AUTOMATON_WORK_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        if (taken) {
            error = push(automaton, stack_at(automaton, stack)->element + 1, stack_at(automaton, stack)->below, &rest);
            error = error < 0 ? error : closure_add(automaton, rest);
        }
    }
    return error < 0 ? error : closure_end(automaton, next);
}

int weft_automaton_step(struct weft_automaton *automaton, uint32_t state, uint32_t point, uint32_t *next)
{
    struct table *table = &automaton->step_table;
    uint64_t hash = hash_pair(state, point);
    for (size_t at = (size_t)hash; table->room > 0; at++) {
        uint32_t found = table->numbers[at & (table->room - 1)];
        if (found == 0) {
            break;
        }
        const struct step *known = (const struct step *)automaton->steps.data + found;
        if (known->state == state && known->point == point) {
            *next = known->next;
            return 0;
        }
    }
    int error = step(automaton, state, false, point, next);
    error = error < 0 ? error : table_reserve(automaton, table);
    struct step *added =
        error == 0 ? list_add(&automaton->steps, sizeof(*added), WEFT_AUTOMATON_STEPS_MAX, &error) : NULL;
    if (!added) {
        return error;
    }
    *added = (struct step){.state = state, .point = point, .next = *next};
    table_put(table, hash, (uint32_t)automaton->steps.count - 1);
    table->count++;
    return 0;
}

int weft_automaton_step_token(struct weft_automaton *automaton, uint32_t state, uint32_t token, uint32_t *next)
{
    return step(automaton, state, true, token, next);
}

int weft_automaton_join(struct weft_automaton *automaton, uint32_t a, uint32_t b, uint32_t *both)
{
    const uint32_t numbers[] = {a, b};
    int error = 0;
    closure_begin(automaton);
    for (size_t i = 0; i < WEFT_COUNT(numbers); i++) {
        const struct state state = ((const struct state *)automaton->states.data)[numbers[i]];
        for (size_t j = 0; j < state.count && error == 0; j++) {
            error = closure_add(automaton, ((const uint32_t *)automaton->members.data)[state.first + j]);
        }
    }
    return error < 0 ? error : closure_end(automaton, both);
}

bool weft_automaton_may_end(const struct weft_automaton *automaton, uint32_t number)
{
    const struct state *state = (const struct state *)automaton->states.data + number;
    return state->count > 0 && ((const uint32_t *)automaton->members.data)[state->first] == EMPTY; /* the lowest */
}

int weft_automaton_may_step(struct weft_automaton *automaton, uint32_t number, uint32_t low, uint32_t high)
{
    const struct state *state = (const struct state *)automaton->states.data + number;
    for (size_t i = 0; i < state->count; i++) {
        uint32_t stack = ((const uint32_t *)automaton->members.data)[state->first + i];
        if (++automaton->work > WEFT_AUTOMATON_WORK_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        if (stack != EMPTY && takes(automaton, top_of(automaton, stack), low, high)) {
            return 1;
        }
    }
    return 0;
}
