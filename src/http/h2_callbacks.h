/* http/h2_callbacks.h - what nghttp2 tells, noted in streams and exchanges. Nothing is submitted from here. */
#ifndef WEFT_HTTP_H2_CALLBACKS_H
#define WEFT_HTTP_H2_CALLBACKS_H

#include <nghttp2/nghttp2.h>

/* The session's user data is a struct weft_h2, a stream's its struct weft_h2_stream. */
void weft_h2_set_callbacks(nghttp2_session_callbacks *callbacks);

/* A data provider's: gives nghttp2 the body that our end of the exchange reads. source->ptr is the stream. */
ssize_t weft_h2_read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                          nghttp2_data_source *source, void *self);

#endif
