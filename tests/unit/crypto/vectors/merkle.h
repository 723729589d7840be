/* Written by generate.py; do not edit. */

/* Leaf i is H(test.data, byte i); names test.leaf and test.node. */
static const struct {
        size_t n;
        const char *root;
} merkle_vectors[] = {
        { 0, "931a641b3d9a2a834c4a40371a56c6d4524a9e5dc52cb978e8c7fd03cf093f91" },
        { 1, "4bb48e30042019ec22fa0721c75cee8871e07cb41dca232d9c2c815c8037cee6" },
        { 2, "34e8ecb5cd9035626321033b0e028eeb2be595054d8d6787c0327b27a55fbc20" },
        { 3, "375931ff70bbcca8c36ae1d416fdca1e1fdb847ccd142f6b27ff742010e84372" },
        { 4, "a90c4e65226a7624a927efd4246e07ccb0ce63569cf46798225681ccec144f20" },
        { 5, "a7634406659af05b5053b7dac785fae5e2ff8a1b09919388d71c4a8afd8df3af" },
        { 6, "abe076bf2a58561981a6c6a89cf2e55c2eab86051e77757bee923b66b03281ac" },
        { 7, "624effb1f121c723b1fbb1994ddc0425dffae8137fdc35d3824d2f504be39b01" },
        { 8, "b7656be2c0cfd84d41c2c61363eadbbad4e4ff767606692b60194bf1ca41a822" },
        { 9, "d00f7f65f39263ab728d16170cd1102c20c16ee5da0b699a25dd745020e7c44b" },
        { 15, "443593f98b422219972c94de615662dfd1195a744cb4bbdfd069b88af5dfd497" },
        { 16, "1edf03a202763267647098648a17e32fb16be5b98fb47fb26337617c0ec23a75" },
        { 17, "8396a0b7b5b03e10fb90dd64ea42cd2c600741dbe524922ce35c7d20a0972070" },
        { 100, "b6f50f3b30db5688d2b00cc69fa505d0673767f5c8bf15adbb39ad34ed0d334f" },
};
