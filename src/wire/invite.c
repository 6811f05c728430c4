/* wire/invite.c - invites as lines. */
#include "wire/invite.h"

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"

#define MAJOR         1
#define BIT(tag)      ((uint32_t)1 << (tag))
#define START         "weft1"
#define START_SIZE    (sizeof(START) - 1)
#define CHECKSUM_SIZE 4
/* What base64 has room for in a line: 294 characters are 220 bytes. */
#define BYTES_MAX ((WEFT_INVITE_LINE_SIZE - 1 - START_SIZE) * 3 / 4)

enum {
    TAG_MESH = 1,
    TAG_ISSUER,
    TAG_SECRET,
    TAG_ROLE,
    TAG_EXPIRES,
    TAG_ADDRESS, /* once or twice */
};

/* What the compiler may not leave out: there is no libsodium in this room. */
static void wipe(void *memory, size_t size)
{
    volatile uint8_t *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = 0;
    }
}

void weft_invite_deinit(struct weft_invite *invite)
{
    wipe(invite, sizeof(*invite));
}

static bool address_valid(const char *address)
{
    struct weft_hostport place;
    return weft_hostport_parse(weft_slice_text(address), &place) == 0;
}

static bool valid(const struct weft_invite *invite)
{
    return weft_key_set(&invite->mesh) && weft_key_set(&invite->issuer) && invite->role >= WEFT_ROLE_CLIENT &&
           invite->role <= WEFT_ROLE_GATEWAY && invite->expires_s >= 0 && invite->expires_s <= WEFT_RECORD_SECOND_MAX &&
           address_valid(invite->addresses[0]) &&
           (invite->addresses[1][0] == '\0' || address_valid(invite->addresses[1]));
}

static void put_checksum(uint8_t *out, uint32_t sum)
{
    for (int i = 0; i < CHECKSUM_SIZE; i++) {
        out[i] = (uint8_t)(sum >> (24 - 8 * i));
    }
}

int weft_invite_write(const struct weft_invite *invite, char line[WEFT_INVITE_LINE_SIZE])
{
    if (!valid(invite)) {
        return WEFT_ERR_INVALID;
    }
    uint8_t bytes[BYTES_MAX];
    struct weft_record_writer writer;
    weft_record_start(&writer, bytes, sizeof(bytes) - CHECKSUM_SIZE, MAJOR);
    weft_record_key(&writer, TAG_MESH, &invite->mesh);
    weft_record_key(&writer, TAG_ISSUER, &invite->issuer);
    weft_record_bytes(&writer, TAG_SECRET, weft_slice(invite->secret, sizeof(invite->secret)));
    weft_record_number(&writer, TAG_ROLE, (uint64_t)invite->role);
    weft_record_number(&writer, TAG_EXPIRES, (uint64_t)invite->expires_s);
    for (size_t i = 0; i < WEFT_INVITE_ADDRESSES_MAX && invite->addresses[i][0] != '\0'; i++) {
        weft_record_bytes(&writer, TAG_ADDRESS, weft_slice_text(invite->addresses[i]));
    }
    int64_t size = weft_record_finish(&writer);
    if (size > 0) {
        put_checksum(bytes + size, weft_checksum(bytes, (size_t)size));
        memcpy(line, START, START_SIZE);
        weft_base64url(line + START_SIZE, bytes, (size_t)size + CHECKSUM_SIZE);
    }
    wipe(bytes, sizeof(bytes));
    return size < 0 ? (int)size : 0;
}

/* -- reading -- */

static int take_address(struct weft_invite *invite, struct weft_slice text)
{
    struct weft_hostport place;
    char *to = invite->addresses[0][0] == '\0' ? invite->addresses[0] : invite->addresses[1];
    if (to[0] != '\0' || weft_hostport_parse(text, &place) < 0) {
        return WEFT_ERR_INVALID; /* a third one, or none that can be dialled */
    }
    memcpy(to, text.data, text.size);
    return 0;
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_invite *invite = self;
    switch (field->tag) {
    case TAG_MESH:
        return weft_record_to_key(field, &invite->mesh);
    case TAG_ISSUER:
        return weft_record_to_key(field, &invite->issuer);
    case TAG_SECRET:
        return weft_record_to_bytes(field, invite->secret, sizeof(invite->secret));
    case TAG_ROLE:
        return weft_role_read(field, &invite->role);
    case TAG_EXPIRES:
        return weft_record_to_second(field, &invite->expires_s);
    case TAG_ADDRESS:
        return take_address(invite, field->value);
    default:
        return 0; /* of a newer version */
    }
}

static int read_record(struct weft_slice bytes, struct weft_invite *out)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required =
            BIT(TAG_MESH) | BIT(TAG_ISSUER) | BIT(TAG_SECRET) | BIT(TAG_ROLE) | BIT(TAG_EXPIRES) | BIT(TAG_ADDRESS),
        .single = BIT(TAG_MESH) | BIT(TAG_ISSUER) | BIT(TAG_SECRET) | BIT(TAG_ROLE) | BIT(TAG_EXPIRES),
    };
    uint8_t sum[CHECKSUM_SIZE];
    if (bytes.size <= CHECKSUM_SIZE) {
        return WEFT_ERR_CRYPTO;
    }
    size_t size = bytes.size - CHECKSUM_SIZE;
    put_checksum(sum, weft_checksum(bytes.data, size));
    if (memcmp(sum, bytes.data + size, CHECKSUM_SIZE) != 0) {
        return WEFT_ERR_CRYPTO;
    }
    int error = weft_record_read(weft_slice(bytes.data, size), &shape, take, out);
    return error < 0 && error != WEFT_ERR_UNSUPPORTED ? WEFT_ERR_INVALID : error;
}

int weft_invite_read(struct weft_slice line, struct weft_invite *out)
{
    uint8_t bytes[BYTES_MAX];
    line = weft_trim(line);
    if (!weft_slice_starts(line, WEFT_SLICE(START))) {
        bool newer = weft_slice_starts(line, WEFT_SLICE("weft")) && line.size >= START_SIZE &&
                     line.data[START_SIZE - 1] > '1' && line.data[START_SIZE - 1] <= '9';
        return newer ? WEFT_ERR_UNSUPPORTED : WEFT_ERR_INVALID;
    }
    line = weft_slice(line.data + START_SIZE, line.size - START_SIZE);
    int64_t size = weft_base64url_read(bytes, sizeof(bytes), line);
    *out = (struct weft_invite){0};
    int error = size < 0 ? WEFT_ERR_CRYPTO : read_record(weft_slice(bytes, (size_t)size), out);
    wipe(bytes, sizeof(bytes));
    if (error < 0) {
        weft_invite_deinit(out);
    }
    return error;
}

const char *weft_invite_problem(int error)
{
    switch (error) {
    case WEFT_ERR_CRYPTO:
        return "This invite is damaged: it was cut short or mistyped on its way, or somebody changed it. Copy the "
               "whole "
               "line again from where it was printed.";
    case WEFT_ERR_UNSUPPORTED:
        return "This invite was made by a newer weft, and this one cannot read it. Update weft here, then join.";
    case WEFT_ERR_TOO_LARGE:
        return "These addresses are too long for an invite: two of them may have 114 characters together. Give one "
               "address only, or shorter ones.";
    default:
        return "This is no invite. An invite is one line that starts with weft1; a gateway's owner prints it with "
               "`weft invite`.";
    }
}
