/* http/h1_input.c - bytes received and not yet read, in one piece. */
#include "http/h1_input.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define ROOM_FIRST 512 /* then it doubles */

int weft_h1_input_append(struct weft_h1_input *input, struct weft_slice data)
{
    if (data.size == 0) {
        return 0;
    }
    size_t size = input->end - input->start;
    if (input->room - input->end < data.size && input->start > 0) {
        memmove(input->at, input->at + input->start, size);
        input->start = 0;
        input->end = size;
    }
    if (input->room - input->end < data.size) {
        size_t room = input->room ? input->room : ROOM_FIRST;
        while (room - input->end < data.size) {
            room *= 2;
        }
        char *at = weft_realloc(input->at, room);
        if (!at) {
            return WEFT_ERR_MEMORY;
        }
        input->at = at;
        input->room = room;
    }
    memcpy(input->at + input->end, data.data, data.size);
    input->end += data.size;
    return 0;
}

struct weft_slice weft_h1_input_view(const struct weft_h1_input *input)
{
    return input->at ? weft_slice(input->at + input->start, input->end - input->start) : (struct weft_slice){0};
}

void weft_h1_input_drop(struct weft_h1_input *input, size_t size)
{
    WEFT_ASSERT(size <= input->end - input->start);
    input->start += size;
    if (input->start == input->end) {
        weft_h1_input_clear(input);
    }
}

void weft_h1_input_clear(struct weft_h1_input *input)
{
    weft_free(input->at);
    *input = (struct weft_h1_input){0};
}
