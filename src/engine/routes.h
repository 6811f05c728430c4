/* engine/routes.h - what the engine can be asked for: one table, and what each row does. docs/ENGINE.md describes them.
 */
#ifndef WEFT_ENGINE_ROUTES_H
#define WEFT_ENGINE_ROUTES_H

#include "engine/errand.h"
#include "wire/json.h"

extern const struct weft_route weft_routes[]; /* ends with one without a path */

/* -- about.c: of the engine itself -- */
void weft_about_load(struct weft_errand *errand);
void weft_about_info(struct weft_errand *errand);
void weft_about_threads(struct weft_errand *errand);

/* -- convert.c: texts and ids -- */
void weft_convert_to_ids(struct weft_errand *errand);
void weft_convert_to_text(struct weft_errand *errand);

/* -- generate.c: the native stream -- */
void weft_generate_begin(struct weft_errand *errand);
void weft_generate_event(struct weft_errand *errand, const struct weft_event *event);
void weft_generate_sign(struct weft_errand *errand);
void weft_generate_free(struct weft_errand *errand);

/* -- measure.c: how likely given ids are, and what a text is near to -- */
void weft_score_begin(struct weft_errand *errand);
void weft_score_event(struct weft_errand *errand, const struct weft_event *event);
void weft_embed_begin(struct weft_errand *errand);
void weft_embed_event(struct weft_errand *errand, const struct weft_event *event);
void weft_measure_free(struct weft_errand *errand);

#endif
