#include "services/transport/shell/interfaces.h"

#include "tests/support/test.h"

static struct endpoint at(const char *text) {
        struct endpoint e;

        assert_true(endpoint_from_text(text, &e));
        return e;
}

static const struct {
        const char *from;
        bool want;
} cases[] = {
        { "192.168.4.1:5353", true },      { "192.168.7.254:1", true },
        { "192.168.8.1:5353", false },     { "10.1.2.3:5353", true },
        { "10.1.2.4:5353", false },        { "[fe80::1]:5353", true },
        { "[fe80:0:0:1::1]:5353", false }, { "[2001:db8::1]:5353", false },
};

static void test_what_is_on_the_link(void **state) {
        const struct interface i = {
                .n_nets = 3,
                .nets = { { at("192.168.5.9:0"), 22 },
                          { at("10.1.2.3:0"), 32 },
                          { at("[fe80::9]:0"), 64 } },
        };

        FOREACH_CASE (c, cases) {
                struct endpoint from = at(c->from);

                assert_int_equal(interface_is_on_link(&i, &from), c->want);
        }
}

/* Whatever this machine has: each once, each with a number, none without multicast. */
static void test_those_of_this_machine(void **state) {
        struct interfaces all;

        assert_int_equal(interfaces_find(&all), 0);
        for (size_t i = 0; i < all.n; i++) {
                assert_ptr_equal(interfaces_of(&all, all.list[i].index), &all.list[i]);
                assert_int_equal(if_nametoindex(all.list[i].name), all.list[i].index);
                for (size_t k = 0; k < all.list[i].n_nets; k++)
                        assert_true(interface_is_on_link(&all.list[i], &all.list[i].nets[k].at));
        }
        assert_null(interfaces_of(&all, 0));
}

TEST_MAIN(cmocka_unit_test(test_what_is_on_the_link), cmocka_unit_test(test_those_of_this_machine))
