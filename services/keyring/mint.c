#include "services/keyring/mint.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/keychange.h"
#include "common/crypto/identity.h"
#include "common/crypto/random.h"
#include "common/wire/peerid.h"
#include "services/keyring/keyring.h"
#include "services/keyring/seedfile.h"
#include "services/keyring/store.h"

#define DIFFICULTY_PUBLIC "16" /* bits, of the public network; private ones: 0 */
#define DIFFICULTY_MAX    40
#define EXIT_USAGE        64

struct mint {
        const char *file, *passphrase_file;
        uint64_t difficulty;
        bool libp2p;
};

static void usage(FILE *f) {
        fputs("Usage: quorate-keyring --new FILE [OPTION]...\n"
              "Makes the seed of a new node. An existing file is never touched.\n\n"
              "  --passphrase-file F  seal it with the passphrase in F (mode 0600)\n"
              "  --difficulty N       proof of work in bits (default " DIFFICULTY_PUBLIC
              "; 0 in private networks)\n"
              "  --libp2p             write the private key of a foreign libp2p peer instead\n",
              f);
}

bool mint_is_asked(int argc, char **argv) {
        return argc > 1 && strncmp(argv[1], "--new", 5) == 0;
}

static bool parse(int argc, char **argv, struct mint *ret) {
        static const struct option options[] = {
                { "new", required_argument, NULL, 'n' },
                { "passphrase-file", required_argument, NULL, 'p' },
                { "difficulty", required_argument, NULL, 'd' },
                { "libp2p", no_argument, NULL, 'l' },
                {},
        };
        const char *difficulty = DIFFICULTY_PUBLIC;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (c == 'n')
                        ret->file = optarg;
                else if (c == 'p')
                        ret->passphrase_file = optarg;
                else if (c == 'd')
                        difficulty = optarg;
                else if (c == 'l')
                        ret->libp2p = true;
                else
                        return false;
        }
        if (!text_parse_u64(difficulty, 0, DIFFICULTY_MAX, &ret->difficulty)) {
                fprintf(stderr, "quorate-keyring: --difficulty: a whole number from 0 to %d\n",
                        DIFFICULTY_MAX);
                return false;
        }
        return ret->file && optind == argc && !(ret->libp2p && ret->passphrase_file);
}

/* Tries seeds that differ in their last eight bytes until the work is done. */
static void search(const struct mint *m, uint8_t seed[IDENTITY_SEED_SIZE],
                   struct sign_public *ret_public) {
        struct sign_secret secret;
        uint64_t counter;

        random_bytes(seed, IDENTITY_SEED_SIZE);
        counter = load_be64(seed + IDENTITY_SEED_SIZE - 8);
        do {
                store_be64(seed + IDENTITY_SEED_SIZE - 8, counter++);
                if (m->libp2p)
                        sign_keypair(seed, &secret, ret_public);
                else
                        identity_public(seed, ret_public);
        } while (identity_work(ret_public) < m->difficulty);
        crypto_wipe(&secret, sizeof(secret));
}

/* libp2p's PrivateKey: type Ed25519, data seed || public key. */
static void put_libp2p(struct buffer *b, const uint8_t seed[SIGN_SEED_SIZE]) {
        static const uint8_t head[] = { 0x08, PUBLIC_KEY_ED25519, 0x12,
                                        sizeof(struct sign_secret) };
        struct sign_secret secret;
        struct sign_public public;

        sign_keypair(seed, &secret, &public);
        buffer_put(b, head, sizeof(head));
        buffer_put(b, secret.bytes, sizeof(secret.bytes));
        crypto_wipe(&secret, sizeof(secret));
}

static int put_sealed(const struct mint *m, const uint8_t *seed, uint8_t ret[SEEDFILE_MAX],
                      size_t *ret_len, char error[STORE_ERROR_SIZE]) {
        struct store_file file = { .path = m->passphrase_file };
        struct seedfile_seal seal = { .cost = seal_cost_default };
        uint8_t phrase[STORE_PASSPHRASE_MAX];
        size_t n;
        int r;

        r = store_load_passphrase(&file, phrase, &n, error);
        if (r)
                return r;
        seal.passphrase = BYTES(phrase, n);
        random_bytes(seal.salt, sizeof(seal.salt));
        random_bytes(seal.nonce, sizeof(seal.nonce));
        r = seedfile_encode(seed, &seal, ret, ret_len);
        if (r)
                snprintf(error, STORE_ERROR_SIZE, "%s", seedfile_result_text(r));
        crypto_wipe(phrase, sizeof(phrase));
        return r;
}

/* Signed now and put away by its owner: it works when the seed is lost or stolen. */
static int write_revocation(const uint8_t *seed, const char *path, char error[STORE_ERROR_SIZE]) {
        static struct certkey *const no_tls[_CERTKEY_N];
        const struct keyring_ask ask = { .socket = KEYRING_ADMIN };
        CLEANUP(buffer_donep) struct buffer value = {};
        char text[KEYCHANGE_TEXT_SIZE + 1];
        struct keyring k;
        int r;

        buffer_init(&value, KEYCHANGE_BYTES_MAX);
        keyring_init(&k, seed, no_tls);
        r = keyring_sign_revocation(&k, &ask, store_wall_us(), &value);
        keyring_done(&k);
        if (r) {
                snprintf(error, STORE_ERROR_SIZE, "%s", keyring_result_text(r));
                return r;
        }
        strcat(keychange_text(buffer_bytes(&value), text), "\n");
        return store_create(path, BYTES_STR(text), error);
}

/* "DIR/revocation-PEER" beside the seed. */
static char *revocation_path(const struct mint *m, const char *peer) {
        const char *slash = strrchr(m->file, '/');
        int folder = slash ? (int) (slash - m->file) + 1 : 0;

        return xasprintf("%.*srevocation-%s", folder, m->file, peer);
}

static int write_file(const struct mint *m, const uint8_t *seed, char error[STORE_ERROR_SIZE]) {
        uint8_t content[SEEDFILE_MAX + sizeof(struct sign_secret)];
        struct buffer b = buffer_over(content, sizeof(content));
        int r = 0;

        if (m->libp2p)
                put_libp2p(&b, seed);
        else if (m->passphrase_file)
                r = put_sealed(m, seed, content, &b.len, error);
        else
                r = seedfile_encode(seed, NULL, content, &b.len);
        if (r == 0)
                r = store_create(m->file, buffer_bytes(&b), error);
        crypto_wipe(content, sizeof(content));
        return r;
}

/* The seed last: there is none without its revocation, whenever this is cut short. */
static int write_both(const struct mint *m, const uint8_t *seed, const char *revocation,
                      char error[STORE_ERROR_SIZE]) {
        int r = m->libp2p ? 0 : write_revocation(seed, revocation, error);

        if (r)
                return r;
        r = write_file(m, seed, error);
        if (r && !m->libp2p)
                store_remove(revocation);
        return r;
}

int mint_main(int argc, char **argv) {
        uint8_t seed[IDENTITY_SEED_SIZE];
        char error[STORE_ERROR_SIZE] = "", text[PEER_ID_TEXT_SIZE];
        struct mint m = {};
        struct sign_public public;
        CLEANUP(freep) char *revocation = NULL;
        struct peer_id id;
        int r;

        if (!parse(argc, argv, &m)) {
                usage(stderr);
                return EXIT_USAGE;
        }
        search(&m, seed, &public);
        id = peer_id_from_ed25519(&public);
        revocation = revocation_path(&m, peer_id_text(&id, text));
        r = write_both(&m, seed, revocation, error);
        crypto_wipe(seed, sizeof(seed));
        if (r) {
                fprintf(stderr, "quorate-keyring: %s\n", error);
                return 1;
        }
        printf("peer %s\nwork %u\nfile %s\n", text, identity_work(&public), m.file);
        if (!m.libp2p)
                printf("revocation %s\n", revocation);
        return 0;
}
