/* sim/timeline.c - a run as a picture. */
#include "sim/timeline.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/mem.h"
#include "sim/page.h"

struct mark {
    weft_time at;
    int64_t number;
    uint32_t text, text_size;
    uint8_t kind, lane, other;
};

struct weft_timeline {
    const char *lanes[WEFT_TIMELINE_LANES_MAX];
    size_t count, left_out, text_used;
    struct mark marks[WEFT_TIMELINE_MARKS_MAX];
    char text[WEFT_TIMELINE_TEXT_MAX];
};

int weft_timeline_new(struct weft_timeline **out)
{
    *out = weft_zalloc(sizeof(**out));
    return *out ? 0 : WEFT_ERR_MEMORY;
}

void weft_timeline_free(struct weft_timeline *timeline)
{
    weft_free(timeline);
}

void weft_timeline_lane(struct weft_timeline *timeline, size_t lane, const char *name)
{
    if (timeline && lane < WEFT_TIMELINE_LANES_MAX) {
        timeline->lanes[lane] = name;
    }
}

void weft_timeline_add(struct weft_timeline *timeline, weft_time at, enum weft_mark_kind kind, size_t lane,
                       size_t other, int64_t number, struct weft_slice text)
{
    if (!timeline) {
        return;
    }
    if (timeline->count == WEFT_TIMELINE_MARKS_MAX || text.size > WEFT_TIMELINE_TEXT_MAX - timeline->text_used) {
        timeline->left_out++;
        return;
    }
    timeline->marks[timeline->count++] = (struct mark){.at = at,
                                                       .number = number,
                                                       .text = (uint32_t)timeline->text_used,
                                                       .text_size = (uint32_t)text.size,
                                                       .kind = (uint8_t)kind,
                                                       .lane = (uint8_t)lane,
                                                       .other = (uint8_t)other};
    if (text.size > 0) {
        memcpy(timeline->text + timeline->text_used, text.data, text.size);
    }
    timeline->text_used += text.size;
}

/* -- the file -- */

/* As a string of JavaScript's that ends no script. What is no ASCII is UTF-8, as the page, or shown as what it is not:
 * it can end nothing. */
static void write_text(FILE *file, const char *text, size_t size)
{
    (void)fputc('"', file); /* a file that is cut shows nothing, and whoever looks at it sees that; so below */
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&') {
            (void)fprintf(file, "\\u%04x", c);
        } else {
            (void)fputc(c, file);
        }
    }
    (void)fputc('"', file);
}

/* As text of HTML's. */
static void write_html(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&') {
            (void)fputs(*text == '<' ? "&lt;" : "&amp;", file);
        } else {
            (void)fputc(*text, file);
        }
    }
}

void weft_timeline_write(const struct weft_timeline *timeline, FILE *file, const char *title)
{
    (void)fputs(weft_page_title, file);
    write_html(file, title);
    (void)fputs(weft_page_heading, file);
    write_html(file, title);
    if (timeline->left_out > 0) {
        (void)fprintf(file, " (without the last %zu marks)", timeline->left_out);
    }
    (void)fputs(weft_page_script, file);
    (void)fputs("const lanes=[", file);
    for (size_t i = 0; i < WEFT_TIMELINE_LANES_MAX && timeline->lanes[i]; i++) {
        write_text(file, timeline->lanes[i], strlen(timeline->lanes[i]));
        (void)fputc(',', file);
    }
    (void)fputs("];\nconst marks=[\n", file);
    for (size_t i = 0; i < timeline->count; i++) {
        const struct mark *mark = &timeline->marks[i];
        (void)fprintf(file, "[%" PRId64 ",%d,%d,%d,%" PRId64 ",", mark->at, mark->kind, mark->lane, mark->other,
                      mark->number);
        write_text(file, timeline->text + mark->text, mark->text_size);
        (void)fputs("],\n", file);
    }
    (void)fputs("];\n", file);
    (void)fputs(weft_page_drawing, file);
    (void)fputs(weft_page_moving, file);
}
