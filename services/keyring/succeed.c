#include "services/keyring/succeed.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "services/keyring/keyring.h"
#include "services/keyring/store.h"

#define EXIT_USAGE 64

struct succeed {
        const char *file, *passphrase_file;
        struct peer_id old;
        uint64_t at_us;
};

bool succeed_is_asked(int argc, char **argv) {
        return argc > 1 && strncmp(argv[1], "--succeed", 9) == 0;
}

static bool parse(int argc, char **argv, struct succeed *ret) {
        static const struct option options[] = {
                { "succeed", required_argument, NULL, 's' },
                { "passphrase-file", required_argument, NULL, 'p' },
                { "old", required_argument, NULL, 'o' },
                { "at", required_argument, NULL, 'a' },
                {},
        };
        bool good = true, has_time = false;
        int c;

        while (good && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (c == 's')
                        ret->file = optarg;
                else if (c == 'p')
                        ret->passphrase_file = optarg;
                else if (c == 'o')
                        good = peer_id_from_text(BYTES_STR(optarg), &ret->old);
                else if (c == 'a')
                        good = has_time = text_parse_u64(optarg, 0, INT64_MAX, &ret->at_us);
                else
                        good = false;
        }
        return good && ret->file && optind == argc && has_time == !peer_id_is_none(&ret->old);
}

static void print_hex(const char *name, struct bytes v) {
        char text[2 * SIGNATURE_SIZE + 1];

        hex_encode(v, text);
        printf("%s %s\n", name, text);
}

static int sign(const struct succeed *s, const uint8_t seed[IDENTITY_SEED_SIZE]) {
        static struct certkey *const no_tls[_CERTKEY_N];
        const struct keyring_ask ask = { .socket = KEYRING_ADMIN };
        char text[PEER_ID_TEXT_SIZE];
        struct signature signature;
        struct keyring k;
        int r = KEYRING_OK;

        keyring_init(&k, seed, no_tls);
        printf("peer %s\n", peer_id_text(&k.self, text));
        print_hex("key", sign_public_bytes(&k.identity.sign_public));
        if (!peer_id_is_none(&s->old))
                r = keyring_succeed(&k, &ask, &s->old, (int64_t) s->at_us, &signature);
        if (r == KEYRING_OK && !peer_id_is_none(&s->old))
                print_hex("signature", signature_bytes(&signature));
        keyring_done(&k);
        return r;
}

int succeed_main(int argc, char **argv) {
        struct succeed s = {};
        uint8_t seed[IDENTITY_SEED_SIZE];
        char error[STORE_ERROR_SIZE] = "";
        int r;

        if (!parse(argc, argv, &s)) {
                fputs("Usage: quorate-keyring --succeed FILE [--old PEER --at MICROSECONDS]"
                      " [--passphrase-file F]\n",
                      stderr);
                return EXIT_USAGE;
        }
        r = store_load_seed(&(struct store_file){ .path = s.file },
                            &(struct store_file){ .path = s.passphrase_file }, seed, error);
        if (r == STORE_OK) {
                r = sign(&s, seed);
                if (r)
                        snprintf(error, sizeof(error), "%s", keyring_result_text(r));
        }
        crypto_wipe(seed, sizeof(seed));
        if (r)
                fprintf(stderr, "quorate-keyring: %s\n", error);
        return r ? 1 : 0;
}
