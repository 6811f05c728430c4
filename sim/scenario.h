/* sim/scenario.h - what the simulator plays: each a whole story from a seed, with its own checks. */
#ifndef WEFT_SIM_SCENARIO_H
#define WEFT_SIM_SCENARIO_H

#include "sim/world.h"

/* What a story found. A check that fails is told with its words, and the story ends badly. */
struct weft_story {
    struct weft_world *world;
    uint64_t seed;
    unsigned checks, failures;
    char first[256]; /* the first failure */
};

struct weft_scenario {
    const char *name, *about;
    void (*play)(struct weft_story *story);
};

extern const struct weft_scenario weft_scenarios[];
extern const size_t weft_scenario_count;

void weft_story_check(struct weft_story *story, bool holds, const char *format, ...) WEFT_PRINTF(3, 4);

/* -- the scenarios -- */
void weft_story_crowd(struct weft_story *story);
void weft_story_fair(struct weft_story *story);
void weft_story_flood(struct weft_story *story);
void weft_story_lasting(struct weft_story *story);
void weft_story_mesh(struct weft_story *story);
void weft_story_relay(struct weft_story *story);
void weft_story_sleep(struct weft_story *story);
void weft_story_storm(struct weft_story *story);

#endif
