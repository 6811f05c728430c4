/* wire/yaml.c - a settings file: one YAML document, from memory, as a flat list of what it says where. */
#include "wire/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "base/assert.h"
#include "base/error.h"

#define FIRST_ROOM 32 /* entries there is room for at first */

/* A key of a mapping that is open. */
struct key {
    struct key *next;
    struct weft_slice name;
};

/* A mapping or list that is open. */
struct level {
    bool list;
    size_t path_size;      /* of what it is called itself */
    size_t count;          /* members so far */
    struct key *keys;      /* of a mapping */
    bool keyed;            /* a mapping's key waits for its value */
    unsigned line, column; /* where it began */
};

struct decoder {
    struct weft_arena *arena;
    struct weft_yaml *out;
    struct weft_yaml_problem *problem;
    size_t room; /* in out->entries */
    char path[WEFT_YAML_PATH_MAX + 1];
    size_t path_size;
    struct level levels[WEFT_YAML_DEPTH_MAX];
    size_t depth;
    bool documented; /* a document was there */
};

WEFT_PRINTF(5, 6)
static int refuse(struct decoder *decoder, int error, size_t line, size_t column, const char *format, ...)
{
    struct weft_yaml_problem *problem = decoder->problem;
    problem->line = (unsigned)line;
    problem->column = (unsigned)column;
    int used = snprintf(problem->text, sizeof(problem->text), "line %zu: ", line);
    va_list arguments;
    va_start(arguments, format);
    /* A sentence too long for its place is cut: it is for a person. */
    (void)vsnprintf(problem->text + used, sizeof(problem->text) - (size_t)used, format, arguments);
    va_end(arguments);
    return error;
}

static int refuse_at(struct decoder *decoder, int error, const yaml_event_t *event, const char *sentence)
{
    return refuse(decoder, error, event->start_mark.line + 1, event->start_mark.column + 1, "%s", sentence);
}

static int refuse_memory(struct decoder *decoder)
{
    decoder->problem->line = 0;
    decoder->problem->column = 0;
    (void)snprintf(decoder->problem->text, sizeof(decoder->problem->text), "out of memory");
    return WEFT_ERR_MEMORY;
}

static struct level *top(struct decoder *decoder)
{
    return decoder->depth == 0 ? NULL : &decoder->levels[decoder->depth - 1];
}

/* -- entries -- */

static int add_entry(struct decoder *decoder, enum weft_yaml_kind kind, struct weft_slice text, size_t line,
                     size_t column)
{
    struct weft_yaml *out = decoder->out;
    if (out->count == WEFT_YAML_ENTRIES_MAX) {
        return refuse(decoder, WEFT_ERR_TOO_LARGE, line, column, "there are more than %d values",
                      WEFT_YAML_ENTRIES_MAX);
    }
    if (out->count == decoder->room) {
        size_t room = decoder->room == 0 ? FIRST_ROOM : decoder->room * 2;
        struct weft_yaml_entry *grown = weft_arena_alloc(decoder->arena, room * sizeof(*grown));
        if (!grown) {
            return refuse_memory(decoder);
        }
        if (out->count > 0) {
            memcpy(grown, out->entries, out->count * sizeof(*grown));
        }
        out->entries = grown; /* the arena keeps the old ones until it goes: at most as much again */
        decoder->room = room;
    }
    struct weft_yaml_entry entry = {
        .path = weft_arena_copy(decoder->arena, weft_slice(decoder->path, decoder->path_size)),
        .kind = kind,
        .text = weft_arena_copy(decoder->arena, text),
        .line = (unsigned)line,
        .column = (unsigned)column,
    };
    if (!entry.path.data || !entry.text.data) {
        return refuse_memory(decoder);
    }
    out->entries[out->count++] = entry;
    return 0;
}

/* -- paths -- */

/* Goes back to the path of the open mapping or list, and adds to it. */
static int extend_path(struct decoder *decoder, const yaml_event_t *event, const char *piece)
{
    size_t base = decoder->levels[decoder->depth - 1].path_size;
    size_t size = strlen(piece);
    if (size > WEFT_YAML_PATH_MAX - base) {
        return refuse_at(decoder, WEFT_ERR_TOO_LARGE, event, "the names down to here are too long");
    }
    memcpy(decoder->path + base, piece, size + 1);
    decoder->path_size = base + size;
    return 0;
}

/* A key may only be made of what a path can show without doubt. */
static bool is_key(struct weft_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        char byte = name.data[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        if (!letter && byte != '_' && byte != '-') {
            return false;
        }
    }
    return name.size > 0;
}

static int take_key(struct decoder *decoder, struct level *level, const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT) {
        return refuse_at(decoder, WEFT_ERR_INVALID, event, "a name is expected here, as in `name: value`");
    }
    struct weft_slice name = weft_slice(event->data.scalar.value, event->data.scalar.length);
    if (!is_key(name)) {
        return refuse_at(decoder, WEFT_ERR_INVALID, event, "a name is made of letters, digits, `_` and `-`");
    }
    for (const struct key *key = level->keys; key; key = key->next) {
        if (weft_slice_equal(key->name, name)) {
            return refuse(decoder, WEFT_ERR_INVALID, event->start_mark.line + 1, event->start_mark.column + 1,
                          "`%.*s` stands twice", (int)(name.size < 64 ? name.size : 64), name.data);
        }
    }
    char piece[WEFT_YAML_PATH_MAX + 2];
    if (name.size > WEFT_YAML_PATH_MAX) {
        return refuse_at(decoder, WEFT_ERR_TOO_LARGE, event, "the name is too long");
    }
    (void)snprintf(piece, sizeof(piece), "%s%s", level->path_size > 0 ? "." : "", name.data); /* fits: checked above */
    struct key *key = weft_arena_alloc(decoder->arena, sizeof(*key));
    struct weft_slice kept = weft_arena_copy(decoder->arena, name);
    if (!key || !kept.data) {
        return refuse_memory(decoder);
    }
    *key = (struct key){.next = level->keys, .name = kept};
    level->keys = key;
    level->keyed = true;
    return extend_path(decoder, event, piece);
}

/* -- events -- */

static int open_level(struct decoder *decoder, const yaml_event_t *event, bool list)
{
    if (decoder->depth == WEFT_YAML_DEPTH_MAX) {
        return refuse_at(decoder, WEFT_ERR_TOO_LARGE, event, "this is nested too deep");
    }
    decoder->levels[decoder->depth++] = (struct level){
        .list = list,
        .path_size = decoder->path_size,
        .line = (unsigned)event->start_mark.line + 1,
        .column = (unsigned)event->start_mark.column + 1,
    };
    return 0;
}

static int close_level(struct decoder *decoder)
{
    struct level *level = top(decoder);
    WEFT_ASSERT(level);
    decoder->depth--;
    decoder->path_size = level->path_size;
    decoder->path[decoder->path_size] = '\0';
    if (level->count > 0 || decoder->depth == 0) {
        return 0;
    }
    enum weft_yaml_kind kind = level->list ? WEFT_YAML_EMPTY_LIST : WEFT_YAML_EMPTY_MAP;
    return add_entry(decoder, kind, WEFT_SLICE(""), level->line, level->column);
}

static int take_scalar(struct decoder *decoder, const yaml_event_t *event)
{
    struct weft_slice text = weft_slice(event->data.scalar.value, event->data.scalar.length);
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool nothing = plain && (text.size == 0 || weft_slice_equal(text, WEFT_SLICE("~")) ||
                             weft_slice_equal(text, WEFT_SLICE("null")));
    if (memchr(text.data, '\0', text.size)) {
        return refuse_at(decoder, WEFT_ERR_INVALID, event, "the value holds a NUL");
    }
    if (decoder->depth == 0) {
        return nothing ? 0 : refuse_at(decoder, WEFT_ERR_INVALID, event, "lines such as `name: value` are expected");
    }
    return add_entry(decoder, nothing ? WEFT_YAML_NOTHING : WEFT_YAML_TEXT, nothing ? WEFT_SLICE("") : text,
                     event->start_mark.line + 1, event->start_mark.column + 1);
}

/* A scalar, or the beginning of a mapping or list, where a value may stand. */
static int take_node(struct decoder *decoder, const yaml_event_t *event)
{
    struct level *level = top(decoder);
    if (!level && event->type == YAML_SEQUENCE_START_EVENT) {
        return refuse_at(decoder, WEFT_ERR_INVALID, event, "lines such as `name: value` are expected");
    }
    if (level && !level->list && !level->keyed) {
        return take_key(decoder, level, event);
    }
    int status = 0;
    if (level && level->list) {
        char piece[32];
        (void)snprintf(piece, sizeof(piece), "[%zu]", level->count); /* fits any size_t */
        status = extend_path(decoder, event, piece);
    }
    if (level) {
        level->keyed = false;
        level->count++;
    }
    if (status < 0) {
        return status;
    }
    if (event->type == YAML_SCALAR_EVENT) {
        return take_scalar(decoder, event);
    }
    return open_level(decoder, event, event->type == YAML_SEQUENCE_START_EVENT);
}

/* Anchors and tags say more than a settings file needs, and hide what it says. */
static bool is_decorated(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return false;
    }
}

static int take_event(struct decoder *decoder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (decoder->documented) {
            return refuse_at(decoder, WEFT_ERR_INVALID, event, "a second document begins; there can be only one");
        }
        decoder->documented = true;
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse_at(decoder, WEFT_ERR_INVALID, event, "aliases (*name) are not supported: write the value out");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (is_decorated(event)) {
            return refuse_at(decoder, WEFT_ERR_INVALID, event, "anchors (&name) and tags (!name) are not supported");
        }
        return take_node(decoder, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(decoder);
    default:
        return 0; /* the ends of the document and the stream say nothing */
    }
}

/* libyaml's own complaint. Its texts are constant: they hold nothing of the file. */
static int refuse_syntax(struct decoder *decoder, const yaml_parser_t *parser, struct weft_slice text)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return refuse_memory(decoder);
    }
    const char *problem = parser->problem ? parser->problem : "this is not YAML";
    if (parser->error != YAML_READER_ERROR) {
        return refuse(decoder, WEFT_ERR_INVALID, parser->problem_mark.line + 1, parser->problem_mark.column + 1, "%s",
                      problem);
    }
    /* The reader knows an offset only. */
    size_t line = 1;
    for (size_t i = 0; i < text.size && i < parser->problem_offset; i++) {
        line += text.data[i] == '\n' ? 1 : 0;
    }
    return refuse(decoder, WEFT_ERR_INVALID, line, 1, "%s", problem);
}

int weft_yaml_decode(struct weft_slice text, struct weft_arena *arena, struct weft_yaml *out,
                     struct weft_yaml_problem *problem)
{
    *out = (struct weft_yaml){.count = 0};
    *problem = (struct weft_yaml_problem){.line = 0};
    struct decoder decoder = {.arena = arena, .out = out, .problem = problem};
    if (text.size > WEFT_YAML_SIZE_MAX) {
        return refuse(&decoder, WEFT_ERR_TOO_LARGE, 1, 1, "the file is larger than %zu bytes", WEFT_YAML_SIZE_MAX);
    }
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return refuse_memory(&decoder);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.size == 0 ? "" : text.data), text.size);

    int status = 0;
    bool ended = false;
    while (status == 0 && !ended) { /* ends: every event takes some of the text, or ends the stream */
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            status = refuse_syntax(&decoder, &parser, text);
            break;
        }
        status = take_event(&decoder, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (status < 0) {
        *out = (struct weft_yaml){.count = 0};
    }
    return status;
}
