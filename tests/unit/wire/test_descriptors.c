/* Rules every message of proto/ keeps, read from the generated descriptors. */

#include "all_descriptors.h"
#include "common/wire/unpack.h"
#include "tests/support/test.h"

/* protobuf-c unpacks by recursion without a limit. */
static void test_none_is_recursive(void **state) {
        assert_true(ELEMENTSOF(all_descriptors) > 20);
        for (size_t i = 0; i < ELEMENTSOF(all_descriptors); i++)
                if (wire_descriptor_is_recursive(all_descriptors[i]))
                        fail_msg("%s contains itself", all_descriptors[i]->name);
}

/* unpack.c keeps one bit per field. */
static void test_none_is_too_wide(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(all_descriptors); i++)
                if (all_descriptors[i]->n_fields > 256)
                        fail_msg("%s has %u fields", all_descriptors[i]->name,
                                 all_descriptors[i]->n_fields);
}

/* Nothing at all is a message of every type without required fields. */
static void test_empty(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(all_descriptors); i++) {
                struct unpacked u = {};
                int r = wire_unpack(all_descriptors[i], BYTES_NONE, NULL, &u);

                assert_true(r == UNPACK_OK || r == UNPACK_E_INVALID);
                unpacked_done(&u);
        }
}

TEST_MAIN(cmocka_unit_test(test_none_is_recursive), cmocka_unit_test(test_none_is_too_wide),
          cmocka_unit_test(test_empty))
