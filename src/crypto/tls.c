/* crypto/tls.c - one TLS connection: OpenSSL between two byte queues.
 *
 * OpenSSL reads and writes through a BIO of our own instead of memory BIOs: it reads straight from the slice that
 * _receive was given and writes straight to the output queue. That saves a copy each way and two buffers per
 * connection that never shrink. OpenSSL reads until there is nothing left, and keeps a half record itself, so the slice
 * is always used up when _receive returns. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
#define VIEWS_MAX  8 /* views of `plain` that make one record */

/* What a peer may make us say beyond what we send: answers to key updates, while the owner does not drain. Room for
 * WEFT_TLS_OUTPUT_HIGH, one more record and a handshake's flight; then the connection fails. */
#define OUTPUT_MAX (2 * WEFT_TLS_OUTPUT_HIGH)

static int pipe_write(BIO *bio, const char *data, size_t size, size_t *written)
{
    struct weft_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    int error = size > OUTPUT_MAX - tls->filter.output.size ? WEFT_ERR_FULL
                                                            : weft_bytes_append(&tls->filter.output, data, size);
    if (error) {
        tls->error = error;
        tls->why = error == WEFT_ERR_FULL ? "the peer asks for answers and does not read them" : weft_error_text(error);
        return 0;
    }
    *written = size;
    return 1;
}

static int pipe_read(BIO *bio, char *data, size_t size, size_t *got)
{
    struct weft_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->input.size == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = size < tls->input.size ? size : tls->input.size;
    memcpy(data, tls->input.data, *got);
    tls->input = weft_slice(tls->input.data + *got, tls->input.size - *got);
    return 1;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* what is written is out; nothing else is asked that we could answer */
}

BIO_METHOD *weft_tls_pipe_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "weft");
    if (method && BIO_meth_set_write_ex(method, pipe_write) && BIO_meth_set_read_ex(method, pipe_read) &&
        BIO_meth_set_ctrl(method, pipe_control)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

/* What our own callbacks noted is nearer to the cause than what OpenSSL makes of it. */
static int fail(struct weft_tls *tls)
{
    const char *why = NULL;
    int error = weft_tls_explain(tls->ssl, &why);
    tls->error = tls->error ? tls->error : error;
    tls->why = error == WEFT_ERR_MEMORY ? weft_error_text(error) : tls->why ? tls->why : why;
    tls->filter.state = WEFT_FILTER_FAILED;
    return tls->error;
}

static int connection_new(struct weft_tls **out, struct weft_tls_context *context, SSL_CTX *ssl)
{
    *out = NULL;
    struct weft_tls *tls = weft_zalloc(sizeof(*tls));
    if (!tls) {
        return WEFT_ERR_MEMORY;
    }
    ERR_clear_error();
    tls->filter.ops = &weft_tls_filter_ops;
    weft_bytes_init(&tls->filter.output);
    tls->context = context;
    context->refs++;
    tls->ssl = SSL_new(ssl);
    BIO *pipe = tls->ssl ? BIO_new(context->method) : NULL;
    if (!pipe || !SSL_set_app_data(tls->ssl, tls)) {
        BIO_free(pipe);
        weft_tls_free(tls);
        ERR_clear_error(); /* nothing but memory can be missing here */
        return WEFT_ERR_MEMORY;
    }
    BIO_set_data(pipe, tls);
    BIO_set_init(pipe, 1);
    SSL_set_bio(tls->ssl, pipe, pipe);
    *out = tls;
    return 0;
}

int weft_tls_accept_new(struct weft_tls **out, struct weft_tls_context *context)
{
    WEFT_ASSERT(!context->client);
    int error = connection_new(out, context, context->web ? context->web : context->link);
    if (!error) {
        SSL_set_accept_state((*out)->ssl);
    }
    return error;
}

static bool is_address(const char *name)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    ERR_clear_error(); /* "not an address" is an answer */
    ASN1_OCTET_STRING_free(address);
    return address;
}

/* OpenSSL takes an empty name for "do not check", and a leading dot for any name under it. */
static bool is_checkable(const char *name)
{
    return name && name[0] != '\0' && name[0] != '.' && strlen(name) <= TLSEXT_MAXLEN_host_name;
}

static int set_name(struct weft_tls *tls, const char *name)
{
    bool check = tls->context->verify == WEFT_TLS_VERIFY_NAME;
    if (!is_checkable(name)) {
        return check || (name && name[0] != '\0') ? WEFT_ERR_INVALID : 0;
    }
    bool well = false;
    if (is_address(name)) { /* SNI is for names only (RFC 6066 section 3) */
        well = !check || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name) == 1;
    } else {
        SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        well = SSL_set_tlsext_host_name(tls->ssl, name) == 1 && (!check || SSL_set1_host(tls->ssl, name) == 1);
    }
    return well ? 0 : WEFT_ERR_MEMORY;
}

/* Goes on with the handshake. 0 also when it needs more from the peer. */
static int shake(struct weft_tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->filter.state = WEFT_FILTER_OPEN;
        return 0;
    }
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : fail(tls);
}

int weft_tls_connect_new(struct weft_tls **out, struct weft_tls_context *context, const char *name, const uint8_t *key)
{
    WEFT_ASSERT(context->client);
    struct weft_tls *tls = NULL;
    int error = connection_new(&tls, context, context->client);
    *out = NULL;
    if (error) {
        return error;
    }
    SSL_set_connect_state(tls->ssl);
    if (key) {
        memcpy(tls->wanted_key, key, WEFT_TLS_KEY_SIZE);
        tls->wants_key = true;
    }
    error = set_name(tls, name);
    error = error ? error : shake(tls); /* the ClientHello */
    if (error) {
        ERR_clear_error();
        weft_tls_free(tls);
        return error;
    }
    *out = tls;
    return 0;
}

void weft_tls_free(struct weft_tls *tls)
{
    if (!tls) {
        return;
    }
    SSL_free(tls->ssl);
    weft_bytes_deinit(&tls->filter.output);
    weft_tls_context_free(tls->context);
    weft_free(tls);
}

/* One record's plaintext. 1 if there may be more, 0 if not, or an error. */
static int open_record(struct weft_tls *tls, struct weft_bytes *plain)
{
    char record[RECORD_MAX];
    size_t size = 0;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, record, sizeof(record), &size);
    if (result == 1) {
        int error = weft_bytes_append(plain, record, size);
        if (error) { /* bytes are lost: the stream must not go on */
            tls->error = error;
            return fail(tls);
        }
        return 1;
    }
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        tls->filter.state = WEFT_FILTER_ENDED;
        return 0;
    default:
        return fail(tls);
    }
}

int weft_tls_receive(struct weft_tls *tls, const char *data, size_t size, struct weft_bytes *plain)
{
    int more = tls->filter.state == WEFT_FILTER_FAILED ? tls->error : 0;
    tls->input = weft_slice(data, size);
    if (tls->filter.state == WEFT_FILTER_HANDSHAKE) {
        more = shake(tls);
    }
    if (tls->filter.state == WEFT_FILTER_OPEN) { /* ends: every turn reads from the slice, and that ends */
        do {
            more = open_record(tls, plain);
        } while (more > 0);
    }
    tls->input = (struct weft_slice){0}; /* what follows close_notify or a failure is no one's */
    return more;
}

/* The front of `plain` as one record: as it lies if it is in one piece, else gathered. */
static struct weft_slice front_record(const struct weft_bytes *plain, char gathered[RECORD_MAX])
{
    struct weft_slice views[VIEWS_MAX];
    size_t count = weft_bytes_peek(plain, views, VIEWS_MAX), size = 0;
    if (count == 1) {
        return views[0];
    }
    for (size_t i = 0; i < count && size < RECORD_MAX; i++) {
        size_t part = views[i].size < RECORD_MAX - size ? views[i].size : RECORD_MAX - size;
        memcpy(gathered + size, views[i].data, part);
        size += part;
    }
    return weft_slice(gathered, size);
}

int weft_tls_send(struct weft_tls *tls, struct weft_bytes *plain)
{
    if (tls->filter.state == WEFT_FILTER_FAILED) {
        return tls->error;
    }
    if (tls->filter.state == WEFT_FILTER_HANDSHAKE || plain->size == 0) {
        return 0;
    }
    if (tls->shut) {
        return WEFT_ERR_CLOSED;
    }
    ERR_clear_error();
    while (plain->size > 0 && tls->filter.output.size < WEFT_TLS_OUTPUT_HIGH) {
        char gathered[RECORD_MAX];
        struct weft_slice record = front_record(plain, gathered);
        size_t written = 0;
        if (SSL_write_ex(tls->ssl, record.data, record.size, &written) != 1) {
            return fail(tls); /* never "try again": the output takes all or the connection ends */
        }
        weft_bytes_drop(plain, written);
    }
    return 0;
}

void weft_tls_shut(struct weft_tls *tls)
{
    bool flows = tls->filter.state == WEFT_FILTER_OPEN || tls->filter.state == WEFT_FILTER_ENDED;
    if (!flows || tls->shut) {
        return; /* a handshake that is given up has nothing to truncate */
    }
    tls->shut = true;
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0) {
        (void)fail(tls); /* the peer will see a truncated stream, which is what it is */
    }
}

struct weft_bytes *weft_tls_output(struct weft_tls *tls)
{
    return &tls->filter.output;
}

enum weft_filter_state weft_tls_state(const struct weft_tls *tls)
{
    return tls->filter.state;
}

struct weft_slice weft_tls_alpn(const struct weft_tls *tls)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &size);
    return weft_slice(name, size);
}

const uint8_t *weft_tls_peer_key(const struct weft_tls *tls)
{
    bool proven = tls->filter.state == WEFT_FILTER_OPEN ||
                  tls->filter.state == WEFT_FILTER_ENDED; /* not before CertificateVerify */
    return proven && tls->has_peer_key ? tls->peer_key : NULL;
}

int weft_tls_binding(const struct weft_tls *tls, uint8_t out[WEFT_TLS_BINDING_SIZE])
{
    static const char label[] = "EXPORTER-weft-link-v1";
    if (tls->filter.state != WEFT_FILTER_OPEN) {
        return WEFT_ERR_CLOSED;
    }
    int done = SSL_export_keying_material(tls->ssl, out, WEFT_TLS_BINDING_SIZE, label, sizeof(label) - 1, NULL, 0, 0);
    return done == 1 ? 0 : weft_tls_error(WEFT_ERR_MEMORY); /* nothing else can fail on an open connection */
}

const char *weft_tls_why(const struct weft_tls *tls)
{
    return tls->why ? tls->why : "nothing failed";
}
