/* First byte: the shared file's rules or our own file's. The rest is the file. */

#include "common/base/error.h"
#include "common/daemon/config.h"

struct sample {
        uint64_t count, size;
        nsec_t pause;
        bool on;
        char *name;
        int mode;
        struct config_list peers;
};

static const char *const modes[] = { "slow", "fast", NULL };

static const struct config_key keys[] = {
        CONFIG_INT(sample, count, "count", "3", 1, 64, "how many"),
        CONFIG_SIZE(sample, size, "size", "64K", 512, 1 << 30, "how large"),
        CONFIG_DURATION(sample, pause, "pause", "8s", 0, 3600 * NSEC_PER_SEC, "how long"),
        CONFIG_BOOL(sample, on, "on", "no", "whether"),
        CONFIG_STRING(sample, name, "name", "", "what it is called"),
        CONFIG_ENUM(sample, mode, "mode", "slow", modes, "how"),
        CONFIG_LIST(sample, peers, "peer", "whom to call first"),
        {},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config *c = config_new("dht", keys, sizeof(struct sample));
        const struct sample *s = config_values(c);
        char error[CONFIG_ERROR_SIZE] = "";
        int r;

        if (size > 0) {
                r = config_parse(c, "f", BYTES(data + 1, size - 1), data[0] & 1, error);
                check((r == 0) == !*error);
        }
        check(s->count >= 1 && s->count <= 64 && s->size >= 512 && s->size <= 1 << 30);
        check(s->name && s->mode >= 0 && s->mode < 2 && s->peers.n_items <= CONFIG_LIST_MAX);
        config_free(c);
        return 0;
}
