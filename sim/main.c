/* sim/main.c - weft-sim: plays a scenario from a seed twice, and judges whether it is the same story. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/tls.h"
#include "sim/scenario.h"
#include "wire/json.h"

#define SEEDS_MAX  1000000
#define PATH_SIZE  1024
#define TITLE_SIZE 128

struct wishes {
    uint64_t seed, seeds;
    const char *scenario; /* NULL: all */
    const char *view;     /* a folder; NULL: nothing is written */
    bool trace, help;
};

static void say_help(void)
{
    printf("weft-sim - plays a whole node in a world of fakes, from a seed.\n\n"
           "  weft-sim [--seed N] [--seeds COUNT] [--scenario NAME] [--trace] [--view FOLDER]\n\n"
           "  --seed N         the seed to begin with (1)\n"
           "  --seeds COUNT    play so many seeds, one after the other (1)\n"
           "  --scenario NAME  play only this one\n"
           "  --trace          print each event\n"
           "  --view FOLDER    write each run's events there, as text and as a picture: sim-SEED-SCENARIO.txt and "
           ".html\n\n"
           "Each scenario is played twice from its seed; both runs must tell the same, byte for byte.\n\n");
    for (size_t i = 0; i < weft_scenario_count; i++) {
        printf("  %-8s %s\n", weft_scenarios[i].name, weft_scenarios[i].about);
    }
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text ? text : "", &end, 10);
    return text && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool read_wishes(int argc, char **argv, struct wishes *wishes)
{
    *wishes = (struct wishes){.seed = 1, .seeds = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--help") == 0) {
            wishes->help = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            wishes->trace = true;
        } else if (strcmp(argv[i], "--scenario") == 0 && value) {
            wishes->scenario = argv[++i];
        } else if (strcmp(argv[i], "--view") == 0 && value) {
            wishes->view = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0 && read_number(value, &wishes->seed)) {
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0 && read_number(value, &wishes->seeds) &&
                   wishes->seeds <= SEEDS_MAX) {
            i++;
        } else {
            fprintf(stderr, "weft-sim: \"%s\" is not understood here; weft-sim --help lists what is.\n", argv[i]);
            return false;
        }
    }
    return true;
}

static void play(const struct weft_scenario *scenario, struct weft_transcript *transcript,
                 struct weft_timeline *timeline, struct weft_story *story)
{
    const struct weft_world_options options = {.seed = story->seed, .transcript = transcript, .timeline = timeline};
    int64_t live = weft_mem_live();
    int error = weft_world_new(&story->world, &options);
    WEFT_ASSERT(error == 0);
    scenario->play(story);
    weft_bytes_trim();
    int64_t left = weft_mem_live() - live - 2; /* the world and its timers */
    weft_story_check(story, left == 0, "%" PRId64 " allocations are left", left);
    weft_world_free(story->world);
}

/* What is written of a run for people to look at. */
struct view {
    char text_path[PATH_SIZE], picture_path[PATH_SIZE];
    FILE *text;
    struct weft_timeline *timeline;
};

static FILE *create(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "weft-sim: %s cannot be written: does its folder exist, and is it yours?\n", path);
    }
    return file;
}

static bool open_view(struct view *view, const char *folder, const struct weft_scenario *scenario, uint64_t seed)
{
    int size = snprintf(view->text_path, PATH_SIZE, "%s/sim-%" PRIu64 "-%s.txt", folder, seed, scenario->name);
    (void)snprintf(view->picture_path, PATH_SIZE, "%s/sim-%" PRIu64 "-%s.html", folder, seed, scenario->name);
    if (size < 0 || size + 1 >= PATH_SIZE) { /* the other one is longer by one */
        fprintf(stderr, "weft-sim: the name of the folder is too long.\n");
        return false;
    }
    view->text = create(view->text_path);
    return view->text && weft_timeline_new(&view->timeline) == 0;
}

/* True if all of it is on the disk. */
static bool close_view(struct view *view, const char *title)
{
    FILE *picture = view->timeline ? create(view->picture_path) : NULL;
    bool written = picture && view->text;
    if (picture) {
        weft_timeline_write(view->timeline, picture, title);
        written = !ferror(picture) && fclose(picture) == 0 && written;
    }
    if (view->text) {
        written = !ferror(view->text) && fclose(view->text) == 0 && written;
    }
    weft_timeline_free(view->timeline);
    if (written) {
        printf("  %s\n  %s\n", view->text_path, view->picture_path);
    } else {
        fprintf(stderr, "weft-sim: what was to be written of this run is not complete.\n");
    }
    return written;
}

/* Both runs take the same state with them: spare blocks are trimmed, and whatever else differs is the bug sought. */
static bool play_twice(const struct weft_scenario *scenario, uint64_t seed, const struct wishes *wishes)
{
    struct weft_transcript first, second;
    struct weft_story story = {.seed = seed}, again = {.seed = seed};
    struct view view = {.text = NULL};
    uint64_t line;
    char title[TITLE_SIZE];
    bool shown = !wishes->view || open_view(&view, wishes->view, scenario, seed);
    int error = weft_transcript_init(&first, wishes->trace ? stderr : view.text);
    WEFT_ASSERT(error == 0);
    error = weft_transcript_init(&second, NULL);
    WEFT_ASSERT(error == 0);
    printf("seed %" PRIu64 " %s: ", seed, scenario->name);
    (void)fflush(stdout); /* the seed stands there even if the run does not come back */
    play(scenario, &first, view.timeline, &story);
    play(scenario, &second, NULL, &again);
    bool same = weft_transcript_equal(&first, &second, &line);
    printf("%" PRIu64 " events, %" PRIu64 " bytes, transcript %016" PRIx64 ", %u checks", first.lines, first.size,
           first.hash, story.checks);
    if (story.failures > 0) {
        printf(", %u FAILED: %s", story.failures, story.first);
    }
    if (!same) {
        printf(", the second run DIFFERS from event %" PRIu64 " on", line);
    }
    printf("\n");
    if (wishes->view) {
        (void)snprintf(title, sizeof(title), "seed %" PRIu64 ", %s", seed,
                       scenario->name); /* cut, it still says most */
        shown = close_view(&view, title) && shown;
    }
    weft_transcript_deinit(&first);
    weft_transcript_deinit(&second);
    return same && shown && story.failures == 0;
}

int main(int argc, char **argv)
{
    struct wishes wishes;
    if (!read_wishes(argc, argv, &wishes)) {
        return 2;
    }
    if (wishes.help) {
        say_help();
        return 0;
    }
    weft_tls_setup();
    weft_json_setup(1); /* any fixed seed: the order of members must replay too */
    uint64_t played = 0, failed = 0;
    for (uint64_t seed = wishes.seed; seed < wishes.seed + wishes.seeds; seed++) {
        for (size_t i = 0; i < weft_scenario_count; i++) {
            if (!wishes.scenario || strcmp(wishes.scenario, weft_scenarios[i].name) == 0) {
                played++;
                failed += !play_twice(&weft_scenarios[i], seed, &wishes);
            }
        }
    }
    if (played == 0) {
        fprintf(stderr, "weft-sim: there is no scenario \"%s\"; weft-sim --help lists them.\n", wishes.scenario);
        return 2;
    }
    return failed > 0;
}
