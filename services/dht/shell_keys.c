/* What becomes of keys: revocations are told to who follows dht/lookup, and what an earlier key of
 * this node published goes on under the one of now. */

#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/dht/inherit.h"
#include "services/dht/shell_parts.h"

#define REVOKED_MAX 256 /* told again to a newcomer */

struct follower {
        struct list link;
        struct link *bus;
};

struct shell_keys {
        struct list followers;
        struct refbuf *revoked[REVOKED_MAX]; /* a ring: the last ones */
        size_t next;
};

static void tell(struct link *bus, struct bytes value) {
        Dht__RevokedEvent event = DHT__REVOKED_EVENT__INIT;

        event.value = (ProtobufCBinaryData){ value.len, (uint8_t *) value.data };
        (void) rpc_event(bus, "Revoked", &event, RPC_EVENT_MUST);
}

static bool is_remembered(const struct shell_keys *keys, struct bytes value) {
        for (size_t i = 0; i < REVOKED_MAX; i++)
                if (keys->revoked[i] && bytes_equal(refbuf_bytes(keys->revoked[i]), value))
                        return true;
        return false;
}

static void on_revoked(void *userdata, struct bytes value) {
        struct shell *s = userdata;
        struct shell_keys *keys = s->keys;

        if (is_remembered(keys, value))
                return;
        refbuf_unref(keys->revoked[keys->next]);
        keys->revoked[keys->next] = refbuf_new(value);
        keys->next = (keys->next + 1) % REVOKED_MAX;
        LIST_FOREACH (it, &keys->followers)
                tell(LIST_ENTRY(it, struct follower, link)->bus, value);
}

static void on_came(void *userdata, struct link *bus) {
        struct shell_keys *keys = ((struct shell *) userdata)->keys;
        struct follower *f = xnew(struct follower);

        f->bus = bus;
        list_push_back(&keys->followers, &f->link);
        for (size_t i = 0; i < REVOKED_MAX; i++)
                if (keys->revoked[i])
                        tell(bus, refbuf_bytes(keys->revoked[i]));
}

static void on_gone(void *userdata, struct link *bus) {
        struct shell_keys *keys = ((struct shell *) userdata)->keys;

        LIST_FOREACH_SAFE (it, &keys->followers) {
                struct follower *f = LIST_ENTRY(it, struct follower, link);

                if (f->bus != bus)
                        continue;
                list_remove(&f->link);
                free(f);
        }
}

void shell_keys_tick(struct shell *s) {
        char peer[PEER_ID_TEXT_SIZE];
        struct inherited i;

        keeper_inherit(s->keeper, &i, shell_now(s));
        if (i.n_carried + i.n_dropped == 0)
                return;
        log_info("records of the former key %s: %zu signed anew and published under this one, %zu "
                 "end%s",
                 peer_id_text(&i.from, peer), i.n_carried, i.n_dropped,
                 i.is_predecessor ? "" : " (no rotation to this key was published here)");
}

void shell_keys_start(struct shell *s) {
        s->keys = xnew(struct shell_keys);
        list_init(&s->keys->followers);
        rules_on_revoked(keeper_rules(s->keeper), on_revoked, s);
}

void shell_keys_follow(struct shell *s) {
        rpc_server_watch(s->lookup_rpc, on_came, on_gone, s);
}

void shell_keys_stop(struct shell *s) {
        if (!s->keys)
                return;
        for (size_t i = 0; i < REVOKED_MAX; i++)
                refbuf_unref(s->keys->revoked[i]);
        LIST_FOREACH_SAFE (it, &s->keys->followers) {
                list_remove(it);
                free(LIST_ENTRY(it, struct follower, link));
        }
        free(s->keys);
        s->keys = NULL;
}
