/* engine/routes.c - what the engine can be asked for. */
#include "engine/routes.h"

const struct weft_route weft_routes[] = {
    {.method = "GET", .path = "/load", .at_any_time = true, .begin = weft_about_load},
    {.method = "GET", .path = "/info", .begin = weft_about_info},
    {.method = "POST",
     .path = "/generate",
     .kind = WEFT_REQUEST_GENERATE,
     .begin = weft_generate_begin,
     .event = weft_generate_event,
     .free = weft_generate_free},
    {.method = "POST",
     .path = "/score",
     .kind = WEFT_REQUEST_SCORE,
     .begin = weft_score_begin,
     .event = weft_score_event,
     .free = weft_measure_free},
    {.method = "POST",
     .path = "/embed",
     .kind = WEFT_REQUEST_EMBED,
     .begin = weft_embed_begin,
     .event = weft_embed_event,
     .free = weft_measure_free},
    {.method = "POST", .path = "/tokenize", .kind = WEFT_REQUEST_TOKENIZE, .begin = weft_convert_to_ids},
    {.method = "POST", .path = "/detokenize", .kind = WEFT_REQUEST_DETOKENIZE, .begin = weft_convert_to_text},
    {.method = "POST", .path = "/threads", .kind = WEFT_REQUEST_THREADS, .begin = weft_about_threads},
    {.path = NULL},
};
