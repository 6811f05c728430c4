/* http/target.h - what a request may ask for and of whom, whatever carries it.
 *
 * The strict reading that stands before every handler and every relay: after it, a target is printable ASCII in origin
 * form, its escapes are whole, and no amount of decoding makes its path climb. */
#ifndef WEFT_HTTP_TARGET_H
#define WEFT_HTTP_TARGET_H

#include "base/types.h"
#include "http/refusal.h"

#define WEFT_HTTP_AUTHORITY_MAX ((size_t)261) /* a DNS name of 255 bytes, a colon and a port: then 400 */

/* Checks method and target together. 0, or WEFT_ERR_INVALID with *refusal telling how to answer.
 *
 * CONNECT is 501, as no resource here supports it (RFC 9110 15.6.2). `*` is for OPTIONS alone. A target over
 * WEFT_HTTP_TARGET_MAX is 414. All else that is wrong is 400: another form than origin form, a control character, a
 * space, a raw byte over 126, a fragment, an escape that is not two hex digits, %00 anywhere, and in the path a `..`
 * segment or an overlong UTF-8 form.
 *
 * A slash, backslash or semicolon counts as a separator there in any spelling, and a dot as a dot, also encoded twice
 * or more: `/a%2f..%2Fb`, `/%2e%2E/x`, `/a\..\b`, `/a/..;/b` and `/%252e%252e/` are refused. An encoded slash on its
 * own is not: model names hold them (`/v1/models/org%2Fname`). */
WEFT_MUST_USE int weft_target_check(struct weft_slice method, struct weft_slice target, struct weft_refusal *refusal);

/* Host or :authority: a name of letters, digits and `-._~`, or an IPv6 address in brackets, and perhaps a port up to
 * 65535. Narrower than RFC 3986 3.2: user information and sub-delimiters are refused, as nobody's server is named so
 * and somebody's parser is fooled so. */
bool weft_authority_valid(struct weft_slice authority);

#endif
