/* fuzz/gossip_message_fuzz.c - a message that is read can be written, and is then read as the same. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/gossip_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(struct weft_slice bytes)
{
    struct weft_gossip_line line, again;
    uint8_t written[WEFT_GOSSIP_LINE_MAX];
    if (weft_gossip_line_read(bytes, &line) < 0) {
        return;
    }
    int64_t length = weft_gossip_line_write(&line, written);
    WEFT_ASSERT(length > 0 && (size_t)length <= bytes.size);
    WEFT_ASSERT(weft_gossip_line_read(weft_slice(written, (size_t)length), &again) == 0);
    WEFT_ASSERT(again.peers == line.peers && weft_slice_equal(again.alias, line.alias));
}

static void check_names(struct weft_slice names)
{
    struct weft_gossip_name name, again;
    while (weft_gossip_name_next(&names, &name) > 0) {
        uint8_t written[WEFT_GOSSIP_NAME_MAX];
        struct weft_slice one = weft_slice(written, weft_gossip_name_write(&name, written));
        WEFT_ASSERT(weft_gossip_name_next(&one, &again) == 1 && one.size == 0);
        WEFT_ASSERT(again.id == name.id && again.check == name.check && again.incarnation == name.incarnation &&
                    again.sequence == name.sequence);
    }
    WEFT_ASSERT(names.size == 0); /* all were read before */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t written[WEFT_GOSSIP_MESSAGE_MAX];
    struct weft_gossip_message message, again;
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    if (weft_gossip_message_read(weft_slice(copy, size), &message) == 0) {
        int64_t length = weft_gossip_message_write(&message, written, sizeof(written));
        /* Written, fields of fields need some room more than they take. */
        WEFT_ASSERT((length > 0 && (size_t)length <= size) || size > sizeof(written) - 64);
        if (length > 0) {
            WEFT_ASSERT(weft_gossip_message_read(weft_slice(written, (size_t)length), &again) == 0);
            WEFT_ASSERT(again.announcements.count == message.announcements.count &&
                        weft_slice_equal(again.news, message.news) &&
                        weft_slice_equal(again.list.names, message.list.names) &&
                        weft_slice_equal(again.reach.more, message.reach.more));
        }
        if (length == (int64_t)size) {
            WEFT_ASSERT(memcmp(written, copy, size) == 0);
        }
        check_names(message.news);
        check_names(message.list.names);
        for (size_t i = 0; i < message.lines.count; i++) {
            check_line(message.lines.at[i]);
        }
    }
    free(copy);
    return 0;
}
