/* crypto/tls_why.c - what OpenSSL's errors mean to a person. */
#include "base/error.h"
#include "crypto/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

struct phrase {
    int code;
    const char *text;
};

static const char *find(const struct phrase *phrases, size_t count, int code)
{
    for (size_t i = 0; i < count; i++) {
        if (phrases[i].code == code) {
            return phrases[i].text;
        }
    }
    return NULL;
}

/* Alerts that the peer sent (RFC 8446 section 6.2). */
static const struct phrase alerts[] = {
    {SSL_AD_UNEXPECTED_MESSAGE, "the peer lost the thread of the TLS handshake"},
    {SSL_AD_BAD_RECORD_MAC, "what we sent reached the peer damaged"},
    {SSL_AD_HANDSHAKE_FAILURE, "the peer found no way of TLS that suits both"},
    {SSL_AD_BAD_CERTIFICATE, "the peer rejects our certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "the peer cannot use our kind of certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "the peer says that our certificate is revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "the peer says that our certificate has expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "the peer rejects our certificate"},
    {SSL_AD_UNKNOWN_CA, "the peer does not trust who signed our certificate"},
    {SSL_AD_ACCESS_DENIED, "the peer denies access"},
    {SSL_AD_PROTOCOL_VERSION, "the peer does not speak TLS 1.3"},
    {SSL_AD_INTERNAL_ERROR, "the peer had an error of its own"},
    {SSL_AD_USER_CANCELLED, "the peer gave up the TLS handshake"},
    {SSL_AD_UNRECOGNIZED_NAME, "the peer does not serve that name"},
    {SSL_AD_CERTIFICATE_REQUIRED, "the peer demands a certificate"},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "the peer serves none of the protocols asked for"},
};

static const struct phrase reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the peer speaks no TLS"},
    {SSL_R_HTTP_REQUEST, "the peer speaks no TLS: it sent plain HTTP"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the peer speaks no TLS: it takes this for a proxy"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the peer does not speak TLS 1.3"},
    {SSL_R_WRONG_SSL_VERSION, "the peer does not speak TLS 1.3"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher suits both ends"},
    {SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange suits both ends"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "the peer cannot check our kind of certificate"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "the peer cannot check our kind of certificate"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "the peer asks for a protocol that is not served here"},
    {SSL_R_CALLBACK_FAILED, "the peer asks for a protocol that is not served here"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer showed no certificate"},
    {SSL_R_WRONG_SIGNATURE_TYPE, "the peer's certificate has no Ed25519 key"},
    {SSL_R_BAD_SIGNATURE, "the peer does not hold the key of its certificate"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record arrived damaged"},
    {SSL_R_BAD_RECORD_TYPE, "a record arrived damaged"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "a record is longer than TLS allows"},
    {SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "a record is longer than TLS allows"},
    {SSL_R_DATA_LENGTH_TOO_LONG, "a record is longer than TLS allows"},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, "a message of the handshake is too long"},
    {SSL_R_TOO_MANY_KEY_UPDATES, "the peer renews its keys too often"},
};

static const struct phrase verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "the certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "the certificate is not yet valid"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for another name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is for another address"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "the certificate is signed by itself only"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "the certificate is signed by nobody we trust"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "the certificate is signed by nobody we trust"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "the certificate is signed by nobody we trust"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "the certificate is signed by nobody we trust"},
    {X509_V_ERR_INVALID_CA, "the certificate is signed by one that may not sign"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "the certificate's signature is wrong"},
    {X509_V_ERR_CERT_REVOKED, "the certificate is revoked"},
    {X509_V_ERR_INVALID_PURPOSE, "the certificate is not for servers"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "the certificate's key is too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "the certificate's signature is too weak"},
};

static const char *phrase_for(const SSL *ssl, unsigned long code)
{
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return NULL;
    }
    int reason = ERR_GET_REASON(code);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        const char *verdict = find(verdicts, WEFT_COUNT(verdicts), (int)SSL_get_verify_result(ssl));
        return verdict ? verdict : "the certificate is not acceptable";
    }
    if (reason >= SSL_AD_REASON_OFFSET) {
        const char *alert = find(alerts, WEFT_COUNT(alerts), reason - SSL_AD_REASON_OFFSET);
        return alert ? alert : "the peer broke off with a TLS alert";
    }
    return find(reasons, WEFT_COUNT(reasons), reason);
}

int weft_tls_explain(const SSL *ssl, const char **why)
{
    bool memory = false;
    const char *phrase = NULL;
    /* The queue is a ring of 16: the loop ends. The oldest error that has a phrase is the cause of the others. */
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        memory = memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
        phrase = phrase ? phrase : phrase_for(ssl, code);
    }
    if (memory) {
        *why = weft_error_text(WEFT_ERR_MEMORY);
        return WEFT_ERR_MEMORY;
    }
    *why = phrase ? phrase : SSL_is_init_finished(ssl) ? "the TLS connection broke" : "the TLS handshake failed";
    return WEFT_ERR_CRYPTO;
}

int weft_tls_error(int otherwise)
{
    int error = otherwise;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        error = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? WEFT_ERR_MEMORY : error;
    }
    return error;
}
