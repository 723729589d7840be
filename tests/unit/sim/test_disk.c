#include "services/sim/disk.h"

#include <stdlib.h>

#include "services/dht/dht.h"
#include "tests/support/test.h"

/* A crash keeps what was synced, all of it and nothing else. */

static struct shelf_pool pool;
static struct disk disk;
static struct store store;

static int begin(void **state) {
        shelf_pool_init(&pool);
        disk_init(&disk, &pool, 1);
        store = disk_store(&disk);
        return 0;
}

static int finish(void **state) {
        disk_done(&disk);
        assert_int_equal(pool.n_values, 0); /* nothing is kept for nobody */
        shelf_pool_done(&pool);
        return 0;
}

static struct stored_record record(const char *name, const char *value, uint64_t sequence) {
        return (struct stored_record){ .key = key_of(BYTES_STR(name)),
                                       .kind = 1,
                                       .name = BYTES_STR(name),
                                       .value = BYTES_STR(value),
                                       .sequence = sequence,
                                       .expires_us = INT64_MAX };
}

static void put(const char *name, const char *value, uint64_t sequence) {
        struct stored_record r = record(name, value, sequence);

        assert_int_equal(store.ops->put(store.self, &r), STORE_OK);
}

static bool see(void *userdata, const struct stored_record *r) {
        *(char *) userdata = (char) r->value.data[0];
        return false;
}

/* First byte of the value, 0: none. */
static char get(const char *name) {
        static const uint8_t slot[32];
        struct key key = key_of(BYTES_STR(name));
        char first = 0;

        (void) store.ops->one(store.self, &key, slot, see, &first);
        return first;
}

static void remove_it(const char *name) {
        static const uint8_t slot[32];
        struct key key = key_of(BYTES_STR(name));

        (void) store.ops->remove(store.self, &key, slot);
}

static void records(void **state) {
        put("kept", "a", 1);
        put("replaced", "a", 1);
        put("removed", "a", 1);
        assert_true(disk_is_dirty(&disk));
        disk_sync(&disk);
        assert_false(disk_is_dirty(&disk));
        put("new", "b", 1);
        put("replaced", "b", 2);
        put("replaced", "c", 3);
        remove_it("removed");
        remove_it("never");
        assert_int_equal(get("replaced"), 'c');
        disk_crash(&disk);
        assert_int_equal(get("kept"), 'a');
        assert_int_equal(get("new"), 0);
        assert_int_equal(get("replaced"), 'a');
        assert_int_equal(get("removed"), 'a');
        assert_int_equal(get("never"), 0);
        assert_int_equal(disk.n_undone, 5);
        assert_false(disk_is_dirty(&disk));
        disk_crash(&disk); /* nothing is undone twice */
        assert_int_equal(get("replaced"), 'a');
}

static void own_records_stay_own(void **state) {
        struct stored_record own = record("own", "a", 1);
        struct store_counts counts;

        own.class = STORE_OWN;
        (void) store.ops->put(store.self, &own);
        disk_sync(&disk);
        put("own", "b", 2);
        disk_crash(&disk);
        store.ops->counts(store.self, &counts);
        assert_int_equal(counts.records, 1);
        assert_int_equal(get("own"), 'a');
        assert_int_equal(store.ops->expire(store.self, INT64_MAX, 10), 0); /* own ones never do */
}

static void states(void **state) {
        struct refbuf *value = NULL;

        store.ops->state_put(store.self, "peers", BYTES_LIT("old"));
        disk_sync(&disk);
        store.ops->state_put(store.self, "peers", BYTES_LIT("new"));
        disk_crash(&disk);
        assert_int_equal(store.ops->state_get(store.self, "peers", &value), STORE_OK);
        assert_true(bytes_equal(refbuf_bytes(value), BYTES_LIT("old")));
        refbuf_unref(value);
}

static bool count(void *userdata, const struct stored_provider *p) {
        (*(unsigned *) userdata)++;
        return true;
}

static unsigned count_providers(struct stored_provider *p) {
        unsigned n = 0;

        (void) store.ops->providers(store.self, &p->key, count, &n);
        return n;
}

static void providers(void **state) {
        struct stored_provider p = { .key = key_of(BYTES_LIT("data")),
                                     .name = BYTES_LIT("data"),
                                     .subnet = { ENDPOINT_IP4, { 1, 2, 3 } },
                                     .expires_us = INT64_MAX };
        struct sign_public key = { { 1 } };
        struct peer_id peer = peer_id_from_ed25519(&key);

        contact_init(&p.contact, &peer, NULL, 0);
        store.ops->provider_put(store.self, &p);
        disk_crash(&disk);
        assert_int_equal(count_providers(&p), 0);
        store.ops->provider_put(store.self, &p);
        disk_sync(&disk);
        store.ops->provider_remove(store.self, &p.key, &peer);
        assert_int_equal(count_providers(&p), 0);
        disk_crash(&disk);
        assert_int_equal(count_providers(&p), 1);
        assert_int_equal(store.ops->count_subnet(store.self, &p.subnet), 1);
        contact_done(&p.contact);
}

static void gossip_state(void **state) {
        struct refbuf *one = refbuf_new(BYTES_LIT("one")), *two = refbuf_new(BYTES_LIT("two"));

        disk_gossip_put(&disk, one);
        disk_sync(&disk);
        disk_gossip_put(&disk, two);
        disk_crash(&disk);
        assert_ptr_equal(disk.gossip, one);
        refbuf_unref(one), refbuf_unref(two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
TEST_MAIN(TEST(records), TEST(own_records_stay_own), TEST(states), TEST(providers),
          TEST(gossip_state))
