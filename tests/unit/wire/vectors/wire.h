/* Written by generate.py; do not edit. */

/* serialised PublicKey, binary peer id, base58, CIDv1 in base32 */
static const struct {
        const char *key, *id, *base58, *base32;
} id_vectors[] = {
        { "08011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
          "002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
          "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7",
          "bafzaajaiaejcb2sknrr6fhcsbk7pkud3cmxml6mvi53k5pv6pojeehxknekenurm" },
        { "080112203b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
          "0024080112203b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
          "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
          "bafzaajaiaejcao3ke66m5nvefvrkhkgqfjxq243fgikxohpciotdvqciugfvtwrj" },
        { "0801122003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
          "00240801122003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
          "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB",
          "bafzaajaiaejcaa5ba677htqqxyoxbxiy45f4bglh4tldbg5fbvpr3xegmqjfkmny" },
        { "0802122102000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
          "00250802122102000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"
                "1f",
          "16Uiu2HAkuRgsVVjk3drXpeXXvuQrZai9RNup3ToH8wH1wXmuTnRC",
          "bafzaajiiaijccaqaaebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4" },
        { "080012a602000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
                "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40414243444546"
                "4748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c"
                "6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192"
                "939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8"
                "b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcddde"
                "dfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff0000000000"
                "000000000000000000000000000000000000000000000000000000000000000000",
          "1220502872c6a45c4fee0388954181b6210d4918a4b281d533416c409b58b2418897",
          "QmTjZ6eBzsL5wdwULiXxnodqd3EPUobWGzhoeSYbkp3cGe",
          "bafzbeicqfbzmnjc4j7xahceviga3miinjemkjmub2uzuc3catnmleqmis4" },
        { "0803125b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021"
                "22232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041424344454647"
                "48494a4b4c4d4e4f505152535455565758595a",
          "12206038f776ddb655118f3505ef7914b54554e0682feb742567f50f85bc515d6b61",
          "QmUpGEJPXBwBEoMVg1CWuGrbo1kp9xmt4qyfuU7opnA1B6",
          "bafzbeidahd3xnxnwkuiy6nif554rjnkfktqgql7loqswp5ipqw6fcxllme" },
};

/* text and binary form */
static const struct {
        const char *text, *binary;
} addr_vectors[] = {
        { "/ip4/127.0.0.1/udp/4001/quic-v1",
          "047f00000191020fa1cd03" },
        { "/ip4/0.0.0.0/tcp/65535",
          "040000000006ffff" },
        { "/ip6/2001:db8::1/udp/1/quic-v1",
          "2920010db800000000000000000000000191020001cd03" },
        { "/ip6zone/eth0/ip6/fe80::1/udp/4001/quic-v1",
          "2a046574683029fe80000000000000000000000000000191020fa1cd03" },
        { "/ip4/1.2.3.4/udp/4001/quic-v1/p2p/12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnyd"
                "r3eAto4Az7",
          "040102030491020fa1cd03a50326002408011220ea4a6c63e29c520abef5507b132ec5f99547"
                "76aebebe7b92421eea691446d22c" },
        { "/p2p/QmTjZ6eBzsL5wdwULiXxnodqd3EPUobWGzhoeSYbkp3cGe",
          "a503221220502872c6a45c4fee0388954181b6210d4918a4b281d533416c409b58b2418897" },
        { "/ip4/1.2.3.4/udp/4001/quic-v1/p2p/12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnyd"
                "r3eAto4Az7/p2p-circuit/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6n"
                "XTN",
          "040102030491020fa1cd03a50326002408011220ea4a6c63e29c520abef5507b132ec5f99547"
                "76aebebe7b92421eea691446d22ca202a503260024080112203b6a27bcceb6a42d62a3a8d02a"
                "6f0d73653215771de243a63ac048a18b59da29" },
        { "/dns4/bootstrap.example.org/udp/443/quic-v1",
          "3615626f6f7473747261702e6578616d706c652e6f7267910201bbcd03" },
        { "/dns6/a/udp/2/quic-v1",
          "37016191020002cd03" },
        { "/dns/x-y_z.q/tcp/1",
          "3507782d795f7a2e71060001" },
        { "/dnsaddr/bootstrap.example.org",
          "3815626f6f7473747261702e6578616d706c652e6f7267" },
        { "/ip4/1.2.3.4/udp/4001/quic-v1/webtransport/certhash/uEiAAAQIDBAUGBwgJCgsMDQ4"
                "PEBESExQVFhcYGRobHB0eHw",
          "040102030491020fa1cd03d103d203221220000102030405060708090a0b0c0d0e0f10111213"
                "1415161718191a1b1c1d1e1f" },
};

/* seed 07 x 32, seq 42, addresses 0 and 2 of the table above */
static const char record_payload[] =
                "0a26002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446"
                "d22c102a1a0d0a0b047f00000191020fa1cd031a190a172920010db800000000000000000000"
                "000191020001cd03";
static const char record_signed[] =
                "126c69627032702d706565722d7265636f7264020301540a26002408011220ea4a6c63e29c52"
                "0abef5507b132ec5f9954776aebebe7b92421eea691446d22c102a1a0d0a0b047f0000019102"
                "0fa1cd031a190a172920010db800000000000000000000000191020001cd03";
static const char record_whole[] =
                "0a2408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
                "120203011a540a26002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92"
                "421eea691446d22c102a1a0d0a0b047f00000191020fa1cd031a190a172920010db800000000"
                "000000000000000191020001cd032a400531cc81ee9acb8ee69252b7bb86ef0f16cb92c117e0"
                "2ad5861e80e76077922cbf2b1ce74a16cd31de3bcf16e34728c7efabbee6e1c7cf1b138f3c29"
                "ef1b3706";
/* the same record in an envelope signed by another key (seed 00 x 32) */
static const char record_foreign[] =
                "0a24080112203b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                "120203011a540a26002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92"
                "421eea691446d22c102a1a0d0a0b047f00000191020fa1cd031a190a172920010db800000000"
                "000000000000000191020001cd032a40c27843e5a353204f84db4efd320baaa78e6c96150082"
                "2ae0f6c4bb22d3f37488497f9eb4c31bae5d32461f2efc652e3b9a82ef5b2780db5de67ee3ba"
                "9a8a6c0e";
