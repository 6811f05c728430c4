/* node/owner_token.c - the token by which a node knows its owner: read from its file, or made and written there. */
#include "node/owner_token.h"

#include <stdio.h>

#include "base/error.h"

#define FILE_MAX    256
#define PROBLEM_MAX (WEFT_OWNER_TOKEN_PATH_SIZE + 512)

static void end(struct weft_owner_token *token, int status, const char *problem)
{
    token->awaited = false;
    token->found(token->self, status, problem);
}

static const char *advice(int status)
{
    switch (status) {
    case WEFT_ERR_INVALID:
    case WEFT_ERR_TOO_LARGE:
        return "It holds no token: remove it, and a new one is made.";
    case WEFT_ERR_IO:
        return "Is its disk full, or broken? WEFT_HOME names another folder.";
    default:
        return "It must be yours to read, in a folder that is yours to write; WEFT_HOME names another folder.";
    }
}

static void fail(struct weft_owner_token *token, int status, const char *doing)
{
    char problem[PROBLEM_MAX];
    (void)snprintf(problem, sizeof(problem), "Cannot %s the owner token %s: %s. %s", doing, token->path,
                   weft_error_text(status), advice(status)); /* fits: the path has a bound */
    end(token, status, problem);
}

static struct weft_slice trimmed(struct weft_slice text)
{
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r')) {
        text.size--;
    }
    return text;
}

/* Ours, or one that its owner has put there: long enough, and such as a header can carry. */
static bool is_token(struct weft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f) { /* bytes over 0x7f are negative, or above: refused too */
            return false;
        }
    }
    return text.size >= WEFT_BASE64URL_SIZE(WEFT_OWNER_TOKEN_BYTES) - 1;
}

static void read_file(struct weft_owner_token *token);

static void on_written(void *self, int status)
{
    struct weft_owner_token *token = self;
    weft_secret_wipe(token->text, sizeof(token->text));
    if (!token->awaited) {
        return;
    }
    if (status == WEFT_ERR_EXISTS && !token->there) {
        token->there = true; /* another node on this folder was first: its token is as good */
        read_file(token);
    } else if (status < 0) {
        fail(token, status, "write");
    } else {
        end(token, 0, "");
    }
}

static void make(struct weft_owner_token *token)
{
    struct weft_host *host = token->host;
    uint8_t secret[WEFT_OWNER_TOKEN_BYTES];
    host->ops->entropy(host, secret, sizeof(secret));
    weft_base64url(token->text, secret, sizeof(secret));
    weft_secret_wipe(secret, sizeof(secret));
    size_t size = strlen(token->text);
    token->secret = weft_secret_of(weft_slice(token->text, size));
    token->text[size] = '\n';
    int error = host->ops->write_file(host, token->path, weft_slice(token->text, size + 1), true, on_written, token);
    if (error < 0) {
        fail(token, error, "write");
    }
}

static void on_read(void *self, int status, struct weft_slice content)
{
    struct weft_owner_token *token = self;
    if (!token->awaited) {
        return;
    }
    struct weft_slice text = trimmed(content);
    if (status == WEFT_ERR_NOT_FOUND && !token->there) {
        make(token);
    } else if (status < 0) {
        fail(token, status, "read");
    } else if (!is_token(text)) {
        fail(token, WEFT_ERR_INVALID, "use");
    } else {
        token->secret = weft_secret_of(text);
        end(token, 0, "");
    }
}

static void read_file(struct weft_owner_token *token)
{
    int error = token->host->ops->read_file(token->host, token->path, FILE_MAX, on_read, token);
    if (error < 0) {
        fail(token, error, "read");
    }
}

int weft_owner_token_init(struct weft_owner_token *token, struct weft_host *host, const char *folder, const char *name)
{
    *token = (struct weft_owner_token){.host = host};
    int size = snprintf(token->path, sizeof(token->path), "%s/%s", folder, name);
    return size < 0 || (size_t)size >= sizeof(token->path) ? WEFT_ERR_TOO_LARGE : 0;
}

void weft_owner_token_find(struct weft_owner_token *token, void (*found)(void *self, int status, const char *problem),
                           void *self)
{
    token->found = found;
    token->self = self;
    token->awaited = true;
    read_file(token);
}

void weft_owner_token_forget(struct weft_owner_token *token)
{
    token->awaited = false;
}
