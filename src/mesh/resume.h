/* mesh/resume.h - what was delivered of an answer, so that another attempt goes on where one was cut.
 *
 * Frames of one attempt after the other come in, frames of one whole answer go out. A token and its deltas are one
 * step: it is told when all of it is there, or not at all. So the ids that were told say exactly how far the answer is;
 * the next attempt is given them, and what it says again (an echoed prompt, a choice that had finished) is left out.
 * Pure. */
#ifndef WEFT_MESH_RESUME_H
#define WEFT_MESH_RESUME_H

#include "wire/json.h"
#include "wire/native.h"

#define WEFT_RESUME_IDS_MAX  ((size_t)16 * 1024 * 1024) /* of one choice: the largest context; then _TOO_LARGE */
#define WEFT_RESUME_STEP_MAX ((size_t)64 * 1024 * 1024) /* bytes of one step's frames: then _TOO_LARGE */

struct weft_resume;

/* Where the answer goes. False: nobody listens any more, and nothing more is told. */
typedef bool weft_resume_tell(void *self, const struct weft_frame *frame);

WEFT_MUST_USE int weft_resume_new(struct weft_resume **out, uint16_t choices);
void weft_resume_free(struct weft_resume *resume); /* not from inside of `tell` */

/* Before anything else: what was told before it came here, as weft_resume_write() has it. WEFT_ERR_INVALID for anything
 * else; WEFT_ERR_TOO_LARGE, WEFT_ERR_MEMORY. On error it can only be freed. */
WEFT_MUST_USE int weft_resume_read(struct weft_resume *resume, const json_t *ids);

/* Takes one frame (no error, no end) and tells what of the answer it completes. 1: a part of the answer that was not
 * told before; 0: nothing new. WEFT_ERR_INVALID for a frame that cannot come there; after an error this attempt is
 * over. The usage that is told counts the tokens that were told, by whichever attempt. */
WEFT_MUST_USE int weft_resume_frame(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell,
                                    void *self);
/* Another attempt begins: what came of a step that was not whole is forgotten. */
void weft_resume_again(struct weft_resume *resume);

/* Whether another attempt can go on: not if text was told of which no ids are known. */
bool weft_resume_possible(const struct weft_resume *resume);
bool weft_resume_whole(const struct weft_resume *resume);    /* of each choice it was told how it ended */
size_t weft_resume_tokens(const struct weft_resume *resume); /* told, over all choices, an echoed prompt not counted */
/* Appends what the next attempt is told: [[1,2,3],[]], the ids of each choice. */
WEFT_MUST_USE int weft_resume_write(const struct weft_resume *resume, struct weft_bytes *out);

#endif
