#include "common/daemon/network.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/crypto/kdf.h"
#include "common/wire/multiaddr.h"

#define PREFIX      "/quorate" /* of the public network's protocols, and of all others' */
#define SECRET_INFO "quorate/v1/network"
#define TOPIC_INFO  "quorate/v1/topic"
#define HASH_NAME   "quorate/network"
#define HOUR        3600
#define BYTES_APART 8 /* different bytes of a secret: random ones have more, habits have less */
#define MAKE_SECRET "od -An -tx1 -N32 /dev/urandom | tr -d ' \\n'"

const char *const network_modes[] = { "public", "private", NULL };

static int refuse(char error[NETWORK_ERROR_SIZE], const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static int refuse(char error[NETWORK_ERROR_SIZE], const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(error, NETWORK_ERROR_SIZE, format, args);
        va_end(args);
        return NETWORK_E_REFUSED;
}

/* ---- name ---- */

static int take_name(const char *name, struct network *ret, char *error) {
        char shown[80];

        for (const char *p = name; *p; p++)
                if (!islower((unsigned char) *p) && !isdigit((unsigned char) *p) &&
                    !strchr("-._", *p))
                        return refuse(error,
                                      "[network] name: \"%s\" is no name; use a-z, 0-9, - . and _",
                                      text_escape(BYTES_STR(name), shown, sizeof(shown)));
        if (!*name || strlen(name) > NETWORK_NAME_MAX)
                return refuse(error, "[network] name: give one of 1 to %d characters",
                              NETWORK_NAME_MAX);
        if (strcmp(name, "default") == 0)
                return refuse(error, "[network] name: \"default\" is no name of a network; the "
                                     "public one is called " NETWORK_DEFAULT);
        (void) snprintf(ret->name, sizeof(ret->name), "%s", name);
        return NETWORK_OK;
}

/* ---- secret ---- */

static bool is_blank(uint8_t ch) {
        return ch == '\n' || ch == '\r' || ch == ' ' || ch == '\t';
}

/* False: not an even number of hex digits, or too many. */
static bool read_hex(struct bytes text, uint8_t ret[NETWORK_SECRET_MAX], size_t *ret_n) {
        char digits[2 * NETWORK_SECRET_MAX + 1] = "";
        bool is_hex;

        while (text.len > 0 && is_blank(text.data[text.len - 1]))
                text.len--;
        if (text.len % 2 || text.len >= sizeof(digits))
                return false;
        if (text.len > 0)
                memcpy(digits, text.data, text.len);
        *ret_n = text.len / 2;
        is_hex = hex_decode(digits, ret, *ret_n);
        explicit_bzero(digits, sizeof(digits));
        return is_hex;
}

static size_t different_bytes(const uint8_t *p, size_t n) {
        bool seen[256] = {};
        size_t different = 0;

        for (size_t i = 0; i < n; i++) {
                different += !seen[p[i]];
                seen[p[i]] = true;
        }
        return different;
}

static int take_secret(const char *path, struct bytes text, struct network *ret, char *error) {
        uint8_t secret[NETWORK_SECRET_MAX] = {};
        int r = NETWORK_OK;
        size_t n = 0;

        if (!*path)
                return NETWORK_OK;
        if (!read_hex(text, secret, &n))
                r = refuse(error,
                           "[network] secret-file: %s holds no 32 to 128 hex digits; make it "
                           "with " MAKE_SECRET,
                           path);
        else if (n < NETWORK_SECRET_MIN)
                r = refuse(error,
                           "[network] secret-file: %s holds %zu bits, and 128 are the least; "
                           "make it with " MAKE_SECRET,
                           path, n * 8);
        else if (different_bytes(secret, n) < BYTES_APART)
                r = refuse(error,
                           "[network] secret-file: %s can be guessed; make it with " MAKE_SECRET,
                           path);
        if (r == NETWORK_OK) {
                hkdf_sha256(BYTES(secret, n), BYTES_NONE, BYTES_LIT(SECRET_INFO), ret->secret,
                            sizeof(ret->secret));
                ret->has_secret = true;
        }
        explicit_bzero(secret, sizeof(secret));
        return r;
}

/* ---- whole ---- */

static int take_allowed(const struct config_list *rows, struct network *ret, char *error) {
        char shown[80];

        for (size_t i = 0; i < rows->n_items; i++)
                if (!peer_id_from_text(BYTES_STR(rows->items[i]), &ret->allow[ret->n_allow++]))
                        return refuse(error, "[network] allow: \"%s\" is no peer id",
                                      text_escape(BYTES_STR(rows->items[i]), shown, sizeof(shown)));
        return NETWORK_OK;
}

static int check_private(const struct network *n, char *error) {
        if (n->mode != NETWORK_PRIVATE)
                return NETWORK_OK;
        if (n->n_allow == 0)
                return refuse(error,
                              "[network] mode = private, but nobody is allowed in; write the "
                              "peer ids of its nodes as rows of allow");
        if (strcmp(n->name, NETWORK_DEFAULT) == 0)
                return refuse(error, "[network] mode = private, but the name is that of the public "
                                     "network; give name one of your own");
        if (!n->has_secret)
                return refuse(error, "[network] mode = private, but there is no secret-file; make "
                                     "one with " MAKE_SECRET " and give it to all nodes");
        return NETWORK_OK;
}

/* The secret in front: it has a fixed length, so that no two pairs are written alike. */
static void name_protocols(struct network *n) {
        struct hash_value h = hash_of2(HASH_NAME, BYTES_OF(n->secret), BYTES_STR(n->name));
        const char *dash = "-";

        if (strcmp(n->name, NETWORK_DEFAULT) == 0 && !n->has_secret)
                dash = "";
        else
                hex_encode(BYTES(h.bytes, (NETWORK_FINGERPRINT_SIZE - 1) / 2), n->fingerprint);
        (void) snprintf(n->prefix, sizeof(n->prefix), PREFIX "%s%s", dash, n->fingerprint);
        (void) snprintf(n->mdns_service, sizeof(n->mdns_service), "_p2p%s%s", dash, n->fingerprint);
}

int network_of(const struct network_settings *v, struct bytes secret, struct network *ret,
               char error[NETWORK_ERROR_SIZE]) {
        int r;

        memset(ret, 0, sizeof(*ret));
        ret->mode = (enum network_mode) v->mode;
        r = take_name(v->name, ret, error);
        if (r == NETWORK_OK)
                r = take_allowed(&v->allow, ret, error);
        if (r == NETWORK_OK)
                r = take_secret(v->secret_file, secret, ret, error);
        if (r == NETWORK_OK)
                r = check_private(ret, error);
        if (r == NETWORK_OK)
                name_protocols(ret);
        return r;
}

int network_check_bootstrap(const struct network *n, const struct config_list *rows,
                            char error[NETWORK_ERROR_SIZE]) {
        char shown[160];

        for (size_t i = 0; n->mode == NETWORK_PRIVATE && i < rows->n_items; i++) {
                struct multiaddr a;
                struct peer_id peer;

                if (multiaddr_from_config(BYTES_STR(rows->items[i]), &a) == MULTIADDR_OK &&
                    multiaddr_peer(&a, &peer) && network_allows(n, &peer))
                        continue;
                return refuse(error,
                              "bootstrap: \"%s\" is no peer of this private network; write "
                              "peerid@host:port of a peer on [network] allow",
                              text_escape(BYTES_STR(rows->items[i]), shown, sizeof(shown)));
        }
        return NETWORK_OK;
}

void network_wipe(struct network *n) {
        explicit_bzero(n->secret, sizeof(n->secret));
        n->has_secret = false;
}

/* ---- use ---- */

bool network_allows(const struct network *n, const struct peer_id *peer) {
        for (size_t i = 0; i < n->n_allow; i++)
                if (peer_id_equal(&n->allow[i], peer))
                        return true;
        return n->n_allow == 0;
}

char *network_protocol(const struct network *n, const char *rest, char ret[NETWORK_PROTOCOL_SIZE]) {
        size_t before = strlen(n->prefix), size = strlen(rest) + 1;

        check(before + size <= NETWORK_PROTOCOL_SIZE);
        memcpy(ret, n->prefix, before);
        memcpy(ret + before, rest, size);
        return ret;
}

const char *network_on_wire(const struct network *n) {
        return n->fingerprint[0] ? n->fingerprint : NETWORK_DEFAULT;
}

/* What stands behind PREFIX tells networks apart, up to the next slash. */
static bool is_of(const char *protocol, const char *prefix) {
        size_t len = strlen(prefix);

        return strncmp(protocol, prefix, len) == 0 && protocol[len] == '/';
}

static bool is_of_any(const char *protocol) {
        size_t len = strlen(PREFIX);

        return is_of(protocol, PREFIX) ||
               (strncmp(protocol, PREFIX "-", len + 1) == 0 && strchr(protocol + len, '/'));
}

bool network_is_elsewhere(const struct network *n, char *const *protocols, size_t n_protocols) {
        bool is_elsewhere = false;

        for (size_t i = 0; i < n_protocols; i++) {
                if (is_of(protocols[i], n->prefix))
                        return false;
                is_elsewhere |= is_of_any(protocols[i]);
        }
        return is_elsewhere;
}

void network_topic_secret(const struct network *n, int64_t wall_seconds,
                          uint8_t ret[NETWORK_SECRET_SIZE]) {
        uint8_t storage[64];
        struct buffer info = buffer_over(storage, sizeof(storage));

        check(n->has_secret && wall_seconds >= 0);
        buffer_put_bytes(&info, BYTES_LIT(TOPIC_INFO));
        buffer_put_u64(&info, (uint64_t) (wall_seconds / HOUR));
        hkdf_sha256(BYTES_OF(n->secret), BYTES_NONE, buffer_bytes(&info), ret, NETWORK_SECRET_SIZE);
}
