#pragma once

/* Made by make_vectors.py. */

#define HEX_MESSAGE_PLAIN \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67" \
        "a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a29301"
#define HEX_MESSAGE_WITH_KEY \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67" \
        "a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a29301322408011220" \
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
#define HEX_MESSAGE_KEY_SIGNED \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a40cb367f7352e47cb2536c9d78020066ce9a52b1e04437d734539a05251a5863ec60ce" \
        "6999ae8d9b911ec8745e1118caabad407275d74f4fed8e8a36ad3571320e322408011220" \
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
#define HEX_MESSAGE_OTHER_KEY \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67" \
        "a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a29301322408011220" \
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
#define HEX_MESSAGE_FORGED \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a40169909638e6f655eba2ee1ec83a3a939460776ad684d56e3d9d52e756d0aacba716d" \
        "315e4a51789d35632696f2fbcb2cc36ae13ce8d65cdcc3b6ae49e68f610a"
#define HEX_MESSAGE_RESIGNED \
        "0a260024080112208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b" \
        "8fc9b394122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a4012f731c5d71fcbd7979ff7d0202985555333924d4d84141abbc4e2884a39a168883f" \
        "44f42b6f34181d9814699677e3c6a95a9e9646f403be47568f75554fad08"
#define HEX_MESSAGE_UNSIGNED \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374"
#define HEX_MESSAGE_NO_AUTHOR \
        "122a666f7274792d74776f206279746573206f6620646174612c206d6f7265206f72206c" \
        "6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f746573742a400101" \
        "010101010101010101010101010101010101010101010101010101010101010101010101" \
        "0101010101010101010101010101010101010101010101010101"
#define HEX_MESSAGE_NO_SEQNO \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e220c71756f726174652f746573742a400101010101010101" \
        "010101010101010101010101010101010101010101010101010101010101010101010101" \
        "0101010101010101010101010101010101010101"
#define HEX_MESSAGE_SHORT_SEQNO \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0401010101220c71756f726174652f746573742a400101" \
        "010101010101010101010101010101010101010101010101010101010101010101010101" \
        "0101010101010101010101010101010101010101010101010101"
#define HEX_MESSAGE_SHORT_SIGNATURE \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a080101010101010101220c71756f726174652f74657374" \
        "2a3f01010101010101010101010101010101010101010101010101010101010101010101" \
        "0101010101010101010101010101010101010101010101010101010101"
#define HEX_MESSAGE_NO_TOPIC \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0801010101010101012a40010101010101010101010101" \
        "010101010101010101010101010101010101010101010101010101010101010101010101" \
        "01010101010101010101010101010101"
#define HEX_MESSAGE_TWO_DATA \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67" \
        "a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a29301120178"
#define HEX_MESSAGE_VARINT_DATA \
        "1007220c71756f726174652f74657374"
#define HEX_MESSAGE_CUT \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "2a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67" \
        "a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a293"
#define HEX_MESSAGE_SHA_AUTHOR \
        "0a22122039ce9346c0a0752b12c74a47b21ca12ef923198397e6263028637fcfac37a95e" \
        "122a666f7274792d74776f206279746573206f6620646174612c206d6f7265206f72206c" \
        "6573732c206f6b2e1a080101010101010101220c71756f726174652f746573742a400101" \
        "010101010101010101010101010101010101010101010101010101010101010101010101" \
        "0101010101010101010101010101010101010101010101010101"
#define HEX_MESSAGE_UNKNOWN_FIELD \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f726520" \
        "6f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f74657374" \
        "4a036e65772a4039e3c56efd3da6f330999e481598817141e0a1377c99405b7726b5751c" \
        "a2220f84408946bce698fc6a89348e50b9f91bd74f021ecd28ab3ab72acf02e968a903"
#define HEX_SIGNED_PLAIN \
        "6c69627032702d7075627375623a0a260024080112208a88e3dd7409f195fd52db2d3cba" \
        "5d72ca6709bf1d94121bf3748801b40f6f5c122a666f7274792d74776f20627974657320" \
        "6f6620646174612c206d6f7265206f72206c6573732c206f6b2e1a0818d75b8423f30001" \
        "220c71756f726174652f74657374"
#define HEX_SIGNED_WITH_KEY \
        "6c69627032702d7075627375623a0a260024080112208a88e3dd7409f195fd52db2d3cba" \
        "5d72ca6709bf1d94121bf3748801b40f6f5c122a666f7274792d74776f20627974657320" \
        "6f6620646174612c206d6f7265206f72206c6573732c206f6b2e1a0818d75b8423f30001" \
        "220c71756f726174652f746573743224080112208a88e3dd7409f195fd52db2d3cba5d72" \
        "ca6709bf1d94121bf3748801b40f6f5c"
#define HEX_SIGNATURE_PLAIN \
        "4411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755dd67a644" \
        "3f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a29301"
#define HEX_MESSAGE_ID \
        "f20a94892ada239c3428f4cb0dc4ff6f6b60c0f8b77b8168127905ed8e656bed"
#define HEX_AUTHOR_A \
        "0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f" \
        "6f5c"
#define HEX_AUTHOR_B \
        "0024080112208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9" \
        "b394"
#define HEX_RPC_ALL \
        "0a100801120c71756f726174652f746573740a0f0800120b71756f726174652f6f6c6412" \
        "ae010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c122a666f7274792d74776f206279746573206f6620646174612c206d6f72" \
        "65206f72206c6573732c206f6b2e1a0818d75b8423f30001220c71756f726174652f7465" \
        "73742a404411ab1e80d3ced3d127a6d36936598d444ffb9285535c8e7f3fd65d9d31f755" \
        "dd67a6443f27304d4823bd5d9e87875126f1762f3a58bffe9eafca7e38a293011abc020a" \
        "520a0c71756f726174652f7465737412206e340b9cffb37a989ca544e6bb780a2c78901d" \
        "3fb33738768511a30617afa01d12204bf5122f344554c53bde2ebb8cd2b7e3d1600ad631" \
        "c385a5d7cce23c7785459a12220a20dbc1b4c900ffe48d575b5da5c638040125f65db0fe" \
        "3e24494b76ea986457d9861a0e0a0c71756f726174652f74657374226c0a0c71756f7261" \
        "74652f7465737412300a260024080112208139770ea87d175f56a35466c34c7ecccb8d8a" \
        "91b4ee37a25df60f5b8fc9b39412067265636f726412280a260024080112208a88e3dd74" \
        "09f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c183c2a440a206e340b" \
        "9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d0a20dbc1b4c900" \
        "ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986"
#define HEX_CAPABILITY_GOOD \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001071240eff91178a647587d2d45f07180daaabdd56ab0" \
        "5fa71347bc997329ae99a1ebade01abc2c7244356fa6dc10a8de72f3aa8699dce3fb2689" \
        "a59c1b249478244606"
#define HEX_CAPABILITY_OLDER \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c10ffffcb9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001071240669c59ac373db398c249f0ba148d78cab10c0e" \
        "1fc269416e68514ab77efe995faab3ed40e5aa201d832972bb35c7dbe5f8cfc66fda9a98" \
        "2fde5fb0d6a8ce4b0b"
#define HEX_CAPABILITY_NEWER \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108180cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001071240ad4856fa04eca2b86288a011576715750916f5" \
        "372a7e0c899619201faa54947701ce23e86e5d55034fda9540b10a772f3c38276564f88a" \
        "eb548957b936477400"
#define HEX_CAPABILITY_BY_OTHER \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e3090010712408ae449c64155f3d8af76039994d6d76ae7196d" \
        "4212ed7c47d7fc216d7af77d3cc0d3eff276f0010ae7a6f1636dc4f619edb6e1738239a6" \
        "ae8c4f1c4dec542809"
#define HEX_CAPABILITY_OTHER_NETWORK \
        "0a770a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a056f74686572220b040a00000191020fa1cd03" \
        "2a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001820104" \
        "626572748a0103312e309001071240c5e4152e31051e1cd7b1da85ff8f2dab994afc8cdf" \
        "1182790e76549f2593cc214eb268af987239904eff8c0779e65dc3c7a87b9a4b581973b3" \
        "347cd805347302"
#define HEX_CAPABILITY_EARLY \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c1080f4dc928182d7eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e3090010712408fc0793d0d6de3340c645013e1af27812d377e" \
        "923c13892b54197eddf1020025da6820e758d243faed1f8ad7ba035982e47825fd5c85ec" \
        "a0eb1d16e04207ce09"
#define HEX_CAPABILITY_LATE \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c10808cbbac83dfd6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001071240f7fa069ef8e6be98b198020c657853dffdd9a3" \
        "bf704068abb505fe1a5ff4d21c34d3540ef1ae67ea2b8c034112acc9470451d8fd0fac1a" \
        "711b2a6d7e6bdc140e"
#define HEX_CAPABILITY_SEQUENCE_ZERO \
        "0a710a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c10001a0764656661756c74220b040a00000191020fa1cd032a06636f6d6d" \
        "6f6e30043880404004480250035a04626c75656202657568057001820104626572748a01" \
        "03312e309001071240b3855a680a4cc308005e573db6a02a2b45011e55848b1d6cc6c842" \
        "8bd41a99f6fbb4fc06cc46091d3c03d667b1a9ecc6d2302e8a115320f31b72db39286dbc" \
        "0a"
#define HEX_CAPABILITY_NEWLINE \
        "0a780a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0103610a628a0103312e3090010712400ff8f449719fcc05c0b3bf127923f4cce991a55b" \
        "db16f903f685b36b40aa8d0125831485457d6e0dbbcb88a07710e8a43ceb3277fcdbbe74" \
        "1bea367ac7d99409"
#define HEX_CAPABILITY_DELETE \
        "0a780a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0103617f628a0103312e309001071240c9b0ad68adef2f5efe8fb7160ee52a98482f496f" \
        "a690a69baf161d649aa7b68f6add0467238d8080958ad4ca851c6c9009ac28a5dd149f46" \
        "a2ceddf809fbcb07"
#define HEX_CAPABILITY_ESCAPE \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "01041b5b324a8a0103312e3090010712405525ff5501a8b28117e2fcd773534b1ba1bc7b" \
        "5e4f2d3eb873d4c48be7db6b19ba4a3f1544eb13160e94e1ab404c840b0c55a10e043073" \
        "17758fcef1ec6a070c"
#define HEX_CAPABILITY_CSI \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104c29b324a8a0103312e309001071240815c89d94bf5e95903b2ff6225c4265bb61777" \
        "fc988e2c07646457d4e45215f0736d67b7c1ca922b0ad291d86d2441132e2856ae9704b0" \
        "38225e0e31ee781608"
#define HEX_CAPABILITY_UTF8 \
        "0a80010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "82010b5ac3bc7269636820e29c938a0103312e309001071240af04cc2d5c660720fb6f1e" \
        "a7e4ba2066b9ea759c83a00671157755d5b43c13e9471f43ab19b983aea92adc46ad885a" \
        "87c684fb7265f2adedb8db597b3b3bd104"
#define HEX_CAPABILITY_NOT_UTF8 \
        "0a770a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0102fffe8a0103312e309001071240178848511dade6f76c5f55ae0d3539136e685120a9" \
        "c6c1e714809771310eac7ddaee5672f80a05aee95a5b9ede993b46ba1eb3df9ffa1e0e43" \
        "470bbbdada1702"
#define HEX_CAPABILITY_SURROGATE \
        "0a780a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0103eda0808a0103312e30900107124000113b752ce7d926fd1e3e1bb1141a7b056663aa" \
        "4b48b18f5e77c8e849660de17a8305d51d7c42064c4fe8b65e63e67888b5fcee12969d1b" \
        "400dbf885e18ba06"
#define HEX_CAPABILITY_NAME_64 \
        "0ab5010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "8201406e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e" \
        "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e8a0103312e" \
        "309001071240b265eafdb3ffab3e3974a4b721777ea0708044f6ac2d275c4dca7e4486d9" \
        "14658b062ddc0e5c48676ddf4a801452011f3aad60f296cf6d4aea80ec7d52a79c04"
#define HEX_CAPABILITY_NAME_65 \
        "0ab6010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "8201416e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e" \
        "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e8a010331" \
        "2e309001071240902f050f35d53c8cf440a18cfb97fe5ee1c8fc8899c5b75f9fc24ecfa6" \
        "a62e6ba51ac66dbd823d5acc4a0a97cdc8333d05e9cb1b6bc818811dc8f4fdcb91c502"
#define HEX_CAPABILITY_NAME_TWICE \
        "0a81010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e30900107820105616761696e1240f5adaac088e8be73f8d8" \
        "4bda5d6a931e434e6630a6965d35643d20883bcde2f9595452552ec4811b2feb614c3cf9" \
        "b8481d2c7ce32407c47b5e0be6937f980900"
#define HEX_CAPABILITY_FIVE_GROUPS \
        "0a85010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e309001075a01675a01675a01675a01671240454cde4870cd" \
        "b6cd44cb9a5d43ce84a0117452edbcc634e41f1fd398f4c4383313d66595a13b5560f0ee" \
        "690ea68ce826eced773269efb715bf5fa7e43a8c0d09"
#define HEX_CAPABILITY_FOUR_GROUPS \
        "0a82010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e309001075a01675a01675a016712405b651b12a9b60b2936" \
        "023cab76dd2ac60fd2209240bc0da85f317e7069a5efaae9f73908840ddd702748ccc370" \
        "a8f93a61c50610d71bcfb5a92138935609730c"
#define HEX_CAPABILITY_FIVE_ADDRESSES \
        "0aa5010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e309001072209040a00000191020fa12209040a0000019102" \
        "0fa12209040a00000191020fa12209040a00000191020fa11240e78b52a80de9e6be6db1" \
        "6880a0108e5e0c4d0beca5f51635d6f347aff5eed85c91cd28c3c3763314c705aae6e1df" \
        "242da3c4e5fe437cad6d8065741351ae840d"
#define HEX_CAPABILITY_BAD_ADDRESS \
        "0a7d0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001072202ffff12406db44b9bbbee9a8604bc557466531c" \
        "0e207944e2e372d880dc6c35464c44c47a712101cf2d037d48a2e8038716879dd750b9ad" \
        "0cb3765000475b8bd621d8280e"
#define HEX_CAPABILITY_BIG_CORES \
        "0a7b0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e30900107300112406c8c6f8d036462644d64b0273828d44c44" \
        "c3371b9dd2fded10514f4d9ac09aa9bd0116c9ffa21dd371e50702645cb053ac8aae57ea" \
        "7bf5a30564353f32e69c05"
#define HEX_CAPABILITY_UNKNOWN_8 \
        "0a91010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e30900107c00201c00201c00201c00201c00201c00201c002" \
        "01c0020112401d99d547c2337e2b65a4cfa2856bb1a3db99dc72dc00e4ab0ba673a05452" \
        "1bee5487a64bb1d130983be89397a882e5376adeb09e51cb466b3280cc33dd40bc01"
#define HEX_CAPABILITY_UNKNOWN_9 \
        "0a94010a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e30900107c00201c00201c00201c00201c00201c00201c002" \
        "01c00201c002011240ad26f281eb0133c21ffcc6d7c54cb5f787e086cdbd9967b915bcd8" \
        "c811c2ca2322d7ca175fec60fa6be06d03d7a007a4214476dfc8f3c622aff7ba229b69f4" \
        "03"
#define HEX_CAPABILITY_TEXT_AS_NUMBER \
        "0a750a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c756562026575680570018a" \
        "0103312e3090010780010312400df7b72f980c4620bf52aa747f75ecbdac15a0cda7c8b0" \
        "c245613c3f8af072e1cd197f1ceb04a16e77fe1c7905d98600ad9a15042ea1615c9d104c" \
        "9d03ab1700"
#define HEX_CAPABILITY_TRAILING \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e309001071240eff91178a647587d2d45f07180daaabdd56ab0" \
        "5fa71347bc997329ae99a1ebade01abc2c7244356fa6dc10a8de72f3aa8699dce3fb2689" \
        "a59c1b2494782446061a0178"
#define HEX_CAPABILITY_NO_SIGNATURE \
        "0a790a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf374" \
        "8801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1" \
        "cd032a06636f6d6d6f6e30043880404004480250035a04626c7565620265756805700182" \
        "0104626572748a0103312e30900107"
#define HEX_CAPABILITY_512 \
        "0abb030a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e30900107c202be026f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f1240fbdf45cc24fddc278a6e6b8f848ccb7426bac058" \
        "c69989096feae88e22d48d370e5a2b394d7c537bcea5944dba73bedcf181d3eabab1f53d" \
        "b6ac4922837c5005"
#define HEX_CAPABILITY_513 \
        "0abc030a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3" \
        "748801b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020f" \
        "a1cd032a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001" \
        "820104626572748a0103312e30900107c202bf026f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f" \
        "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f1240daa8ee9740b4fdf49e09fea63eb35e4f8ba04e" \
        "e8e2ee7e08dff4b209c0ed1ae432878d11039ecaa02694eb2b74f88ababa4083ea54dd16" \
        "6f4afd2aff5a67a80d"
#define HEX_CAPABILITY_BODY \
        "0a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801" \
        "b40f6f5c108080cc9fc2f0d6eb181a0764656661756c74220b040a00000191020fa1cd03" \
        "2a06636f6d6d6f6e30043880404004480250035a04626c75656202657568057001820104" \
        "626572748a0103312e30900107"
#define HEX_CAPABILITY_SIGNATURE \
        "eff91178a647587d2d45f07180daaabdd56ab05fa71347bc997329ae99a1ebade01abc2c" \
        "7244356fa6dc10a8de72f3aa8699dce3fb2689a59c1b249478244606"

static const struct {
        const char *events;
        bool with_deficit;
        double want;
} score_vectors[] = {
        { "", false, 0 },
        { "G", false, 0 },
        { "Gttttt", false, 0.050000000000000003 },
        { "Gttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttt", false, 2.9900000000000002 },
        { "Gttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttt", false, 3 },
        { "F", false, 0.5 },
        { "FFFFFFFFFFFFFFFFFFF", false, 9.5 },
        { "FFFFFFFFFFFFFFFFFFFFF", false, 10 },
        { "Ftttttttttttttttttttttttttttttt", false, 0.25030743703107056 },
        { "FFFttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", false, 0.014886168115130527 },
        { "I", false, -100 },
        { "II", false, -400 },
        { "III", false, -900 },
        { "Ittttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "ttttttttttttttttttttttttttttttttttttttttt", false, -25.137885160081545 },
        { "Ittttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
          "ttttttttttttttttttttttttttttttt", false, 0 },
        { "GttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttFFI", false, -98.400000000000006 },
        { "GttP", false, 0 },
        { "GtFtDtFt", false, 0.99517383382400004 },
        { "Gttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", true, 0.58999999999999997 },
        { "Gtttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", true, -99.400000000000006 },
        { "Gttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", true, -99.390000000000001 },
        { "GtttttttttttttttttttttttttttttttttttttttttttttttttttttttDDDDDttttt", true, -30.142521433480123 },
        { "GDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"
          "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"
          "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDttttttttt"
          "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", true, 0.70000000000000007 },
        { "GttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttP", true, -100 },
        { "GttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttPtttttttt"
          "tttttttttttttttttttttt", true, -50.061487406214134 },
        { "GttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttPG", true, -100 },
        { "GttttttttttttttttttttttttttttttP", true, 0 },
        { "DDDGtttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", true, -99.400000000000006 },
};
