#include "services/worker/duckdb/duckdb_rules.h"

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

#define WHY_PICKS    "takes one of several rows; say which with ORDER BY inside the call"
#define WHY_JOINED   "joins rows in the order they come; give one with ORDER BY inside the call"
#define WHY_PLACED   "depends on how rows that are equal in the window's order are placed"
#define WHY_REAL     "always computes with REAL"
#define WHY_LIBM     "comes from the machine's mathematics library"
#define WHY_UNICODE  "follows the Unicode tables of the build"
#define WHY_REGEX    "follows the regular expressions of the build"
#define WHY_FORMATS  "formats values by the build's own rules"
#define WHY_READS    "reads text by the build's own rules"
#define WHY_JSON     "reads or writes JSON by the build's own rules"
#define WHY_ZONE     "follows the time zones of the build"
#define WHY_HASHED   "gives a list in the order of a hash table"
#define WHY_HASH     "of hashes that builds are free to change"
#define WHY_DAY      "depends on the day or hour it runs"
#define WHY_RANDOM   "drawn anew by each host"
#define WHY_APPROX   "estimates from a sample or a sketch"
#define WHY_WIDTH    "is as wide as the build's plan finds the data to be"
#define WHY_HOST     "tells about the host, not about the data"
#define WHY_INDIRECT "runs, or reads, a statement that is not written here"
#define WHY_STATE    "changes the engine, or waits"
#define WHY_SETTINGS "tells the engine's settings"
#define WHY_FILES    "reads files; inputs are tables"

/* clang-format off: a table. Names of DuckDB 1.5.6; what is not here is forbidden. */
static const struct {
        enum duckdb_effect effect;
        const char *why, *names;
} groups[] = {
        { DUCKDB_EXACT, NULL,
          "count count_star count_if countif min max bool_and bool_or quantile quantile_disc "
          "histogram rank dense_rank rank_dense greatest least typeof isnan isinf isfinite nullif "
          "list_value list_pack array_value row struct_pack struct_extract struct_extract_at "
          "struct_insert struct_concat struct_update struct_keys struct_values map map_concat "
          "map_contains map_entries map_extract map_extract_value map_from_entries map_keys "
          "map_values map_contains_entry map_contains_value list_concat list_cat array_cat "
          "array_concat list_append list_prepend array_append array_prepend array_push_back "
          "array_push_front array_pop_back array_pop_front list_contains list_has array_contains "
          "array_has list_has_any list_has_all array_has_any array_has_all list_position "
          "list_indexof array_position array_indexof list_extract list_element array_extract "
          "element_at list_slice array_slice list_resize array_resize list_reverse array_reverse "
          "flatten list_zip array_zip list_where array_where list_select array_select "
          "array_length cardinality list_sort array_sort list_reverse_sort array_reverse_sort "
          "unnest list_transform list_apply array_transform array_apply apply list_filter "
          "array_filter filter list_reduce array_reduce reduce list_aggr list_aggregate "
          "array_aggregate array_aggr aggregate list_sum list_count list_min list_max "
          "list_any_value list_first list_last list_bool_and list_bool_or list_bit_and "
          "list_bit_or list_bit_xor list_string_agg list_avg list_product list_median "
          "list_var_samp list_var_pop list_stddev_samp list_stddev_pop list_histogram grouping "
          "grouping_id constant_or_null && @> <@ struct_contains struct_has struct_position "
          "struct_indexof" },
        { DUCKDB_NUMERIC, NULL,
          "sum sum_no_overflow bit_and bit_or bit_xor !__postfix factorial % & * ** "
          "+ - / // << >> ^ xor | ~ @ abs add subtract multiply divide mod gcd lcm "
          "greatest_common_divisor least_common_multiple sign even ceil ceiling floor trunc round "
          "round_even roundbankers bit_count fdiv fmod date_add ascii unicode ord chr base64 "
          "to_base64 from_base64 hex to_hex unhex from_hex bin to_binary unbin from_binary concat "
          "|| concat_ws contains starts_with ends_with prefix suffix ^@ left right length len "
          "strlen char_length character_length bit_length octet_length lpad rpad ltrim rtrim trim "
          "replace repeat substr substring translate split string_split str_split string_to_array "
          "split_part instr strpos position md5 sha1 sha256 ~~ !~~ like_escape not_like_escape "
          "~~~ array_to_string array_to_string_comma_default encode range generate_series "
          "date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub year "
          "quarter month day hour minute second millisecond microsecond nanosecond dayofweek "
          "weekday dayofmonth dayofyear isodow isoyear week weekofyear yearweek decade century "
          "millennium era julian last_day days_in_month make_date make_time make_timestamp "
          "make_timestamp_ms make_timestamp_ns epoch epoch_ms epoch_us epoch_ns dayname monthname "
          "to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds to_months "
          "to_years to_weeks to_quarters to_decades to_centuries to_millennia to_timestamp "
          "time_bucket enum_code enum_first enum_last enum_range enum_range_boundary levenshtein "
          "editdist3 damerau_levenshtein hamming mismatches jaccard jaro_similarity "
          "jaro_winkler_similarity get_bit set_bit bit_position bitstring url_encode signbit "
          "nextafter to_base" },
        { DUCKDB_ORDER, WHY_PICKS,
          "any_value arbitrary first last arg_max arg_min argmax argmin max_by min_by "
          "arg_max_null arg_min_null arg_max_nulls_last arg_min_nulls_last mode" },
        { DUCKDB_ORDER, WHY_JOINED,
          "list array_agg string_agg group_concat listagg json_group_array json_group_object" },
        { DUCKDB_TIES, WHY_PLACED, "row_number ntile lag lead first_value last_value nth_value" },
        { DUCKDB_FLOAT, WHY_REAL,
          "avg mean favg fsum kahan_sum sumkahan corr covar_pop covar_samp entropy kurtosis "
          "kurtosis_pop mad median product quantile_cont regr_avgx regr_avgy regr_count "
          "regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev "
          "stddev_pop stddev_samp var_pop var_samp variance geomean geometric_mean wavg "
          "weighted_avg cume_dist percent_rank fill" },
        { DUCKDB_FLOAT, WHY_LIBM,
          "acos acosh asin asinh atan atan2 atanh cbrt cos cosh cot degrees exp gamma lgamma ln "
          "log log10 log2 pi pow power radians sin sinh sqrt tan tanh" },
        { DUCKDB_FLOAT, WHY_WIDTH, "bitstring_agg" },
        { DUCKDB_FLOAT, WHY_UNICODE,
          "lower lcase upper ucase ~~* !~~* ilike_escape not_ilike_escape reverse length_grapheme "
          "left_grapheme right_grapheme substring_grapheme nfc_normalize strip_accents" },
        { DUCKDB_FLOAT, WHY_REGEX,
          "regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_replace "
          "regexp_escape regexp_split_to_array string_split_regex str_split_regex" },
        { DUCKDB_FLOAT, WHY_FORMATS,
          "format printf strftime formatReadableDecimalSize formatReadableSize format_bytes bar "
          "pg_size_pretty" },
        { DUCKDB_FLOAT, WHY_READS,
          "strptime try_strptime url_decode parse_formatted_bytes decode parse_path "
          "parse_filename parse_dirname parse_dirpath uuid_extract_timestamp "
          "uuid_extract_version" },
        { DUCKDB_FLOAT, WHY_JSON,
          "-> ->> json json_array json_array_length json_contains json_exists json_extract "
          "json_extract_path json_extract_path_text json_extract_string json_keys "
          "json_merge_patch json_object json_pretty json_quote json_structure json_transform "
          "json_transform_strict json_type json_valid json_value to_json array_to_json "
          "row_to_json from_json from_json_strict" },
        { DUCKDB_FLOAT, WHY_ZONE, "timezone timezone_hour timezone_minute make_timestamptz" },
        { DUCKDB_FLOAT, WHY_HASHED,
          "list_distinct array_distinct list_unique array_unique list_intersect array_intersect "
          "list_mode list_grade_up array_grade_up grade_up" },
        { DUCKDB_FLOAT, WHY_HASH,
          "hash md5_number md5_number_lower md5_number_upper approx_count_distinct "
          "list_approx_count_distinct" },
        { DUCKDB_FLOAT, WHY_REAL,
          "array_cosine_distance array_cosine_similarity array_cross_product array_distance "
          "array_dot_product array_inner_product array_negative_dot_product "
          "array_negative_inner_product list_cosine_distance list_cosine_similarity list_distance "
          "list_dot_product list_inner_product list_negative_dot_product "
          "list_negative_inner_product" },
        { DUCKDB_NOW, NULL,
          "now get_current_timestamp transaction_timestamp current_date today current_localtime "
          "current_localtimestamp" },
        { DUCKDB_REFUSED, WHY_DAY, "age ago get_current_time" },
        { DUCKDB_REFUSED, WHY_RANDOM, "random gen_random_uuid uuid uuidv4 uuidv7" },
        { DUCKDB_REFUSED, WHY_APPROX, "approx_quantile approx_top_k reservoir_quantile" },
        { DUCKDB_REFUSED, WHY_HOST,
          "version current_database current_catalog current_schema current_schemas current_user "
          "session_user user current_role current_connection_id current_query current_query_id "
          "current_transaction_id txid_current" },
        { DUCKDB_FORBIDDEN, WHY_INDIRECT,
          "query query_table getvariable json_execute_serialized_sql json_serialize_plan "
          "json_serialize_sql json_deserialize_sql" },
        { DUCKDB_FORBIDDEN, WHY_STATE,
          "enable_logging disable_logging enable_profiling disable_profiling enable_peg_parser "
          "disable_peg_parser check_peg_parser write_log truncate_duckdb_logs checkpoint "
          "force_checkpoint setseed nextval currval sleep_ms pg_sleep" },
        { DUCKDB_FORBIDDEN, WHY_SETTINGS,
          "current_setting in_search_path stats vector_type which_secret getenv" },
        { DUCKDB_FORBIDDEN, WHY_FILES,
          "read_csv read_csv_auto read_parquet parquet_scan read_json read_json_auto "
          "read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto "
          "read_ndjson_objects read_text read_blob read_duckdb sniff_csv glob parquet_metadata "
          "parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_schema "
          "parquet_bloom_probe arrow_scan arrow_scan_dumb seq_scan" },
        { DUCKDB_INTERNAL, NULL, "error unpivot_list remap_struct normalized_interval" },
};
/* clang-format on */

/* The word at *names, and on to the next. */
static struct bytes next_word(const char **names) {
        size_t n = strcspn(*names, " ");
        struct bytes word = BYTES(*names, n);

        *names += n;
        *names += strspn(*names, " ");
        return word;
}

bool duckdb_rule_of(const char *name, struct duckdb_rule *ret) {
        size_t len = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                const char *names = groups[i].names;

                while (*names) {
                        struct bytes word = next_word(&names);

                        if (word.len != len || strncasecmp((const char *) word.data, name, len))
                                continue;
                        *ret = (struct duckdb_rule){ groups[i].effect, groups[i].why };
                        return true;
                }
        }
        return false;
}

bool duckdb_is_trunc(const char *name) {
        return strcasecmp(name, "date_trunc") == 0 || strcasecmp(name, "datetrunc") == 0;
}

void duckdb_rules_each(void (*fn)(void *userdata, struct bytes name), void *userdata) {
        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                const char *names = groups[i].names;

                while (*names)
                        fn(userdata, next_word(&names));
        }
}
