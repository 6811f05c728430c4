/* sys/address.c - addresses as text, and as the kernel wants them. */
#include "sys/inside.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/error.h"

int weft_sys_address_parse(const struct weft_address *address, struct sockaddr_storage *out, socklen_t *size)
{
    memset(out, 0, sizeof(*out));
    size_t length = strnlen(address->text, sizeof(address->text));
    if (length == 0 || length == sizeof(address->text)) {
        return WEFT_ERR_INVALID;
    }
    if (address->kind == WEFT_ADDRESS_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)out;
        if (length >= sizeof(un->sun_path)) {
            return WEFT_ERR_TOO_LARGE;
        }
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, address->text, length);
        *size = sizeof(*un);
        return 0;
    }
    if (uv_ip4_addr(address->text, address->port, (struct sockaddr_in *)out) == 0) {
        *size = sizeof(struct sockaddr_in);
        return 0;
    }
    if (uv_ip6_addr(address->text, address->port, (struct sockaddr_in6 *)out) == 0) {
        *size = sizeof(struct sockaddr_in6);
        return 0;
    }
    return WEFT_ERR_INVALID;
}

int weft_sys_address_print(const struct sockaddr *from, struct weft_address *out)
{
    *out = (struct weft_address){.kind = WEFT_ADDRESS_TCP};
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        out->port = ntohs(in->sin_port);
        return weft_sys_error(uv_ip4_name(in, out->text, sizeof(out->text)));
    }
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;
        out->port = ntohs(in->sin6_port);
        return weft_sys_error(uv_ip6_name(in, out->text, sizeof(out->text)));
    }
    return WEFT_ERR_UNSUPPORTED;
}
