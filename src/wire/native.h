/* wire/native.h - the native stream: what an engine answers to POST /generate, frame by frame.
 *
 * A frame is a 32-bit length of what follows, one byte of kind, and the kind's fields; integers are little-endian,
 * texts carry their length. docs/ENGINE.md has the layouts and the request.
 *
 * A token frame says how many delta frames follow it; the token and its deltas are one step: whoever keeps ids for a
 * resume takes all of it or none of it. Every id that was sampled is sent, also when its text is withheld (half a
 * character, what may become a stop string, a tool call being parsed), so that a resume point always exists. */
#ifndef WEFT_WIRE_NATIVE_H
#define WEFT_WIRE_NATIVE_H

#include "base/bytes.h"
#include "base/types.h"

#define WEFT_NATIVE_TYPE         "application/x-weft-native"
#define WEFT_NATIVE_FRAME_MAX    ((size_t)1024 * 1024) /* after its length: then WEFT_ERR_TOO_LARGE */
#define WEFT_NATIVE_LOGPROBS_MAX 20                    /* alternatives per token */

enum weft_frame_kind {
    WEFT_FRAME_TOKEN = 1,    /* one token of a choice, or of an echoed prompt */
    WEFT_FRAME_DELTA = 2,    /* what of the answer became visible with the token before it */
    WEFT_FRAME_FINISH = 3,   /* a choice is complete */
    WEFT_FRAME_USAGE = 4,    /* once, after the last choice */
                             /* 5 is kept for segments, which only a mesh has */
    WEFT_FRAME_PROGRESS = 6, /* a sign of life while no token comes: waiting, or reading the prompt */
    WEFT_FRAME_ERROR = 7,    /* the stream failed; nothing follows */
    WEFT_FRAME_END = 8,      /* the stream is whole; nothing follows */
    WEFT_FRAME_LOAD = 9,     /* from a peer of the mesh: how busy the model is there */
};

enum weft_part { WEFT_PART_CONTENT, WEFT_PART_REASONING, WEFT_PART_TOOL_CALL };
enum weft_finish { WEFT_FINISH_STOP, WEFT_FINISH_LENGTH, WEFT_FINISH_TOOL_CALLS };
enum weft_phase { WEFT_PHASE_WAITING, WEFT_PHASE_PREFILL, WEFT_PHASE_DECODE };

struct weft_logprob {
    uint32_t id;
    float logprob;           /* natural, of the model's own softmax: before temperature and filters */
    struct weft_slice bytes; /* the token's, perhaps not UTF-8 */
};

struct weft_frame {
    enum weft_frame_kind kind;
    uint16_t choice; /* of tokens, deltas and finishes */
    union {
        struct {
            uint32_t id;
            uint16_t deltas;  /* delta frames that follow and belong to it */
            bool prompt;      /* echoed: it was read, not sampled */
            bool has_logprob; /* the first token of a prompt has none */
            float logprob;
            struct weft_slice bytes;
            struct weft_logprob top[WEFT_NATIVE_LOGPROBS_MAX]; /* likeliest first */
            uint8_t top_count;
        } token;
        struct {
            enum weft_part part;
            struct weft_slice text;     /* UTF-8; for a tool call: more of its arguments */
            uint16_t call;              /* which tool call of the choice, from 0 */
            struct weft_slice id, name; /* of a tool call, with its first delta; else empty */
        } delta;
        struct {
            enum weft_finish reason;
            struct weft_slice stop; /* the stop string that was met, or empty */
        } finish;
        struct {
            uint32_t prompt_tokens, cached_tokens; /* cached: read from another request's work */
            uint32_t completion_tokens;            /* over all choices */
            uint64_t waited_us, prefill_us, decode_us;
        } usage;
        struct {
            enum weft_phase phase;
            uint32_t done, total; /* tokens of the prompt; while waiting: how many go before it, and 0 */
        } progress;
        struct {
            uint32_t running, waiting; /* requests, this one included */
        } load;
        struct {
            uint16_t status; /* as HTTP would have said it */
            struct weft_slice code, message;
        } error;
    };
};

/* Appends one frame; on an error nothing. WEFT_ERR_TOO_LARGE past WEFT_NATIVE_FRAME_MAX, WEFT_NATIVE_LOGPROBS_MAX or
 * what the length of one of its texts can say; WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_native_write(struct weft_bytes *out, const struct weft_frame *frame);

/* Takes frames off the front of a queue. */
struct weft_native_reader {
    char *buffer; /* one frame, in one piece */
    size_t room;
    int error; /* what was no frame; from then on every read gives it */
};

void weft_native_reader_init(struct weft_native_reader *reader);
void weft_native_reader_deinit(struct weft_native_reader *reader);
/* 1: *frame is the next one, its slices hold until the next call. 0: more bytes are needed. WEFT_ERR_INVALID for what
 * is no frame: a field missing, left over or out of its range, a text (other than a token's bytes) that is not UTF-8, a
 * log probability that is no number; an unknown kind is skipped, a newer engine may say more. WEFT_ERR_TOO_LARGE,
 * WEFT_ERR_MEMORY (nothing was dropped: try again).
 * `taken` is how many bytes were dropped from the queue. */
WEFT_MUST_USE int weft_native_read(struct weft_native_reader *reader, struct weft_bytes *from, struct weft_frame *frame,
                                   size_t *taken);

#endif
