/* sim/frames.h - an HTTP/2 client's or server's bytes, spelled by hand: no parser or compressor of Weft's is used. */
#ifndef WEFT_SIM_FRAMES_H
#define WEFT_SIM_FRAMES_H

#include "sim/raw.h"

/* The client's preface, with windows that are wide. */
void weft_frames_hello(struct weft_raw *raw);
/* A request; `fields` is "name: value\n..." in lower case and may be empty. The body goes in one DATA frame. */
struct weft_frames_request {
    uint32_t stream;
    const char *method, *path, *authority, *fields;
    struct weft_slice body;
    bool open; /* more of the body will come: END_STREAM is not set */
};
void weft_frames_ask(struct weft_raw *raw, const struct weft_frames_request *request);
void weft_frames_data(struct weft_raw *raw, uint32_t stream, struct weft_slice body, bool end);
void weft_frames_reset(struct weft_raw *raw, uint32_t stream, uint32_t code);
/* Any frame. */
void weft_frames_send(struct weft_raw *raw, unsigned type, unsigned flags, uint32_t stream, struct weft_slice payload);

#endif
