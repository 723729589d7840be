#include "services/sim/shelf.h"

#include "common/base/memory.h"
#include "common/base/rng.h"
#include "services/dht/store_memory.h"
#include "tests/support/test.h"

/* Model: dht's store_memory. Whatever is done to both, both show the same. */

#define STEPS 20000

static struct shelf_pool pool;
static struct shelf shelves[2]; /* two nodes that keep alike */
static struct store model;
static struct rng rng;

static int begin(void **state) {
        shelf_pool_init(&pool);
        shelf_init(&shelves[0], &pool);
        shelf_init(&shelves[1], &pool);
        model = store_memory_new(&store_limits_default, 1);
        rng_init(&rng, 5);
        return 0;
}

static int finish(void **state) {
        shelf_done(&shelves[0]);
        shelf_done(&shelves[1]);
        assert_int_equal(pool.n_values, 0);
        shelf_pool_done(&pool);
        store_memory_free(&model);
        return 0;
}

/* Few of each, so that they meet. */
static struct stored_record draw(uint8_t value[16]) {
        struct stored_record r = { .kind = 3, .name = BYTES_LIT("name") };

        r.key.bytes[0] = (uint8_t) rng_below(&rng, 12);
        r.slot[31] = (uint8_t) rng_below(&rng, 3);
        r.sequence = rng_below(&rng, 4);
        r.expires_us = (int64_t) rng_below(&rng, 1000);
        r.received_us = (int64_t) rng_below(&rng, 100) * 1000000; /* whole seconds */
        r.publisher[rng_below(&rng, 2) * 31] = (uint8_t) (1 + rng_below(&rng, 3));
        r.subnet = (struct subnet){ 4, { (uint8_t) rng_below(&rng, 3) } };
        r.class = rng_chance(&rng, 0.1) ? STORE_OWN : STORE_FOREIGN;
        value[15] = (uint8_t) rng_below(&rng, 4);
        value[rng_below(&rng, 16)] = (uint8_t) rng_below(&rng, 3); /* zeros anywhere */
        r.value = BYTES(value, 8 + rng_below(&rng, 2) * 8);
        return r;
}

struct seen {
        uint64_t hash;
        size_t n, stop;
};

static bool see(void *userdata, const struct stored_record *r) {
        struct seen *s = userdata;
        uint64_t parts[] = { r->key.bytes[0],
                             r->slot[31],
                             r->sequence,
                             (uint64_t) r->expires_us,
                             (uint64_t) r->received_us,
                             r->class,
                             r->subnet.prefix[0],
                             r->publisher[0] * 256u + r->publisher[31],
                             r->value.len,
                             r->name.len };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                s->hash = (s->hash ^ parts[i]) * UINT64_C(0x100000001b3);
        for (size_t i = 0; i < r->value.len; i++)
                s->hash = (s->hash ^ r->value.data[i]) * UINT64_C(0x100000001b3);
        return ++s->n != s->stop;
}

static bool see_own(void *userdata, const struct stored_record *r) {
        struct seen one = {};

        see(&one, r); /* in no order */
        ((struct seen *) userdata)->hash += one.hash;
        return true;
}

static void assert_same(const struct seen *a, const struct seen *b) {
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->hash, b->hash);
}

static void compare_all(const struct stored_record *r) {
        struct record_store *m = model.self;
        struct seen a = {}, b = {};
        struct store_counts counts;

        assert_int_equal(shelf_each(&shelves[0], &r->key, see, &a),
                         model.ops->each(m, &r->key, see, &b));
        assert_same(&a, &b);
        assert_int_equal(shelf_one(&shelves[0], &r->key, r->slot, see, &a),
                         model.ops->one(m, &r->key, r->slot, see, &b));
        assert_same(&a, &b);
        a = b = (struct seen){ .stop = 1 + rng_below(&rng, 20) };
        size_t max = 1 + rng_below(&rng, 10);
        const struct key *after = rng_chance(&rng, 0.5) ? &r->key : NULL;
        shelf_walk(&shelves[0], after, max, see, &a);
        model.ops->walk(m, after, max, see, &b);
        assert_same(&a, &b);
        shelf_own(&shelves[0], see_own, &a);
        model.ops->own(m, see_own, &b);
        assert_same(&a, &b);
        assert_int_equal(shelf_count_key(&shelves[0], &r->key), model.ops->count_key(m, &r->key));
        assert_int_equal(shelf_count_publisher(&shelves[0], r->publisher),
                         model.ops->count_publisher(m, r->publisher));
        assert_int_equal(shelf_count_subnet(&shelves[0], &r->subnet),
                         model.ops->count_subnet(m, &r->subnet));
        model.ops->counts(m, &counts);
        assert_int_equal(shelves[0].n, counts.records);
        assert_int_equal(shelves[0].bytes, counts.bytes);
}

static void does_what_store_memory_does(void **state) {
        for (unsigned i = 0; i < STEPS; i++) {
                uint8_t value[16] = {};
                struct stored_record r = draw(value);
                int64_t now = (int64_t) rng_below(&rng, 600);

                if (rng_chance(&rng, 0.6))
                        assert_int_equal(shelf_put(&shelves[0], &r),
                                         model.ops->put(model.self, &r));
                else if (rng_chance(&rng, 0.9))
                        assert_int_equal(shelf_remove(&shelves[0], &r.key, r.slot),
                                         model.ops->remove(model.self, &r.key, r.slot));
                else
                        assert_int_equal(shelf_expire(&shelves[0], now, SIZE_MAX),
                                         model.ops->expire(model.self, now, SIZE_MAX));
                compare_all(&r);
        }
}

static void what_two_keep_stands_once(void **state) {
        uint8_t value[16] = {};
        struct stored_record r = draw(value);

        r.class = STORE_FOREIGN;
        shelf_put(&shelves[0], &r);
        shelf_put(&shelves[1], &r);
        assert_int_equal(pool.n_values, 1);
        shelf_remove(&shelves[0], &r.key, r.slot);
        assert_int_equal(shelf_count_key(&shelves[1], &r.key), 1);
        r.sequence++; /* another version is another value */
        shelf_put(&shelves[0], &r);
        assert_int_equal(pool.n_values, 2);
}

/* Alike but for one byte where the other has nothing but zeros. */
static void what_differs_in_its_filling_stands_twice(void **state) {
        uint8_t drawn[16] = {}, value[16] = { 1, [15] = 1 }, other[16] = { 1, [5] = 7, [15] = 1 };
        struct stored_record r = draw(drawn);

        r.class = STORE_FOREIGN;
        r.value = BYTES_OF(value);
        shelf_put(&shelves[0], &r);
        r.value = BYTES_OF(other);
        shelf_put(&shelves[1], &r);
        assert_int_equal(pool.n_values, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
TEST_MAIN(TEST(does_what_store_memory_does), TEST(what_two_keep_stands_once),
          TEST(what_differs_in_its_filling_stands_twice))
