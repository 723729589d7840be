#include "services/dht/shell.h"

/* The record table as the core's hooks (hooks.h). Replication of own records, topics and
 * mailboxes (/quorate/record/1) join here. */

static const char *validate(void *userdata, struct bytes name, struct bytes value, int64_t now_us,
                            struct stored_record *ret) {
        struct shell *s = userdata;

        return rules_validate(s->rules, name, value, now_us, ret);
}

static int select_one(void *userdata, struct bytes name, struct bytes a, struct bytes b) {
        return rules_select(name, a, b);
}

static const char *admit(void *userdata, const struct store *store, const struct stored_record *r) {
        struct shell *s = userdata;

        return quota_admit(s->quota, store, r);
}

static const char *admit_provider(void *userdata, const struct store *store,
                                  const struct stored_provider *p) {
        struct shell *s = userdata;

        return quota_admit_provider(s->quota, store, p);
}

const struct record_rules shell_record_rules = {
        .validate = validate, .select = select_one, .admit = admit, .admit_provider = admit_provider
};
