#include "services/dht/list_page.h"
#include "tests/support/test.h"

/* Values under keys 1 to 4, in key order; more under key 2 than any page here holds. */
static const unsigned values[] = { 3, 40, 1, 6 };
#define N_VALUES 50

struct pages {
        unsigned seen[N_VALUES], n_pages;
        size_t most;
};

static struct key key_number(size_t i) {
        return (struct key){ { (uint8_t) (i + 1) } };
}

/* One page over all that there is; true: more is to come. */
static bool turn_page(struct list_page *p, struct pages *pages) {
        unsigned value = 0;

        pages->n_pages++;
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                for (unsigned k = 0; k < values[i]; k++, value++) {
                        struct key key = key_number(i);
                        enum list_step step = list_page_step(p, &key, 10);

                        if (step == LIST_FULL)
                                return true;
                        if (step == LIST_TAKE)
                                pages->seen[value]++;
                }
        return false;
}

static struct pages read_all(size_t n_max, size_t room) {
        struct pages pages = {};
        struct key after = {};
        struct list_page p;
        size_t inside = 0;
        bool more = true;

        while (more && pages.n_pages < 2 * N_VALUES) {
                list_page_init(&p, &after, inside, n_max, room);
                more = turn_page(&p, &pages);
                pages.most = p.n > pages.most ? p.n : pages.most;
                after = p.last;
                inside = p.inside;
        }
        assert_false(more);
        return pages;
}

static void every_value_stands_on_one_page(void **state) {
        static const struct {
                size_t n_max, room, most;
        } cases[] = {
                { 1, 1000, 1 },   { 3, 1000, 3 },   { 4, 1000, 4 },  { 7, 1000, 7 },
                { 43, 1000, 43 }, { 50, 1000, 50 }, { 200, 95, 10 }, { 200, 0, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct pages pages = read_all(cases[i].n_max, cases[i].room);

                for (size_t k = 0; k < N_VALUES; k++)
                        assert_int_equal(pages.seen[k], 1);
                assert_int_equal(pages.most, cases[i].most);
                assert_int_equal(pages.n_pages, (N_VALUES + cases[i].most - 1) / cases[i].most);
        }
}

/* Who says only the key has seen all of it. */
static void without_a_count_the_next_page_begins_behind_the_key(void **state) {
        struct key second = key_number(1), third = key_number(2);
        struct list_page p;

        (void) state;
        list_page_init(&p, &second, 0, 10, 1000);
        assert_int_equal(list_page_step(&p, &second, 1), LIST_SKIP);
        assert_int_equal(list_page_step(&p, &third, 1), LIST_TAKE);
        assert_int_equal(p.inside, 1);
}

TEST_MAIN(cmocka_unit_test(every_value_stands_on_one_page),
          cmocka_unit_test(without_a_count_the_next_page_begins_behind_the_key))
