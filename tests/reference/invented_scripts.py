"""More invented texts for token ids: scripts that `invented_texts.SENTENCES` lacks, and hostile strings.

They are kept apart because the tokenizers of the architecture fixtures are trained on SENTENCES. Codes are
language and script; `und` where the words mean nothing. Nothing to run.
"""

SCRIPTS = [
    ("ory_Orya", "ଛୋଟ ପିଲା ନଦୀ କୂଳରେ ଖେଳୁଛି।"), ("div_Thaa", "ކުޑަ ކުއްޖާ ފޮތެއް ކިޔަނީ."), ("und_Syrc", "ܟܬܒܐ ܙܥܘܪܐ ܥܠ ܦܬܘܪܐ."),
    ("und_Tfng", "ⴰⵎⴰⵏ ⴷ ⵓⴷⵔⴰⵔ."), ("und_Nkoo", "ߒ ߓߍ߫ ߕߊ߯ ߟߊ߫."), ("chr_Cher", "ᎣᏏᏲ, ᎠᎹ ᎤᏬᏗᎨ."), ("und_Cans", "ᐃᓄᒃ ᐊᓯᖏᓐᓂ ᓂᕆᔪᖅ."),
    ("mon_Mong", "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ ᠨᠣᠮ."), ("und_Java", "ꦧꦸꦏꦸ ꦏꦁ ꦕꦶꦭꦶꦏ꧀꧉"), ("und_Bali", "ᬩᬸᬓᬸ ᬘᬾᬦᬶᬓ᭟"), ("und_Sund", "ᮘᮥᮊᮥ ᮜᮩᮒᮤᮊ᮪."),
    ("sat_Olck", "ᱠᱚᱲᱟ ᱫᱟᱨᱮ ᱞᱟᱛᱟᱨ ᱾"), ("mni_Mtei", "ꯂꯥꯏꯔꯤꯛ ꯄꯥꯔꯤ ꯫"), ("und_Yiii", "ꀊꂿ ꄯꒉ ꑌ."), ("und_Vaii", "ꕙꔤ ꕉꕎ ꘋ."),
    ("und_Lisu", "ꓡꓲ-ꓢꓴ ꓔꓯ ꓠ."), ("und_Tale", "ᥖᥭᥰ ᥖᥬᥲ ᥑᥨᥒᥰ."), ("und_Talu", "ᦅᦱᧄ ᦺᦑ ᦟᦹᧉ."), ("und_Tglg", "ᜀᜃᜓ ᜐ ᜊᜑᜌ᜶"),
    ("und_Cham", "ꨀꨇꨯ ꨌꩌ ꨔ."), ("und_Lepc", "ᰛᰧᰵ ᰀᰬ ᰕ᰿."), ("und_Limb", "ᤕᤠᤰᤌᤢᤱ ᤐᤠᤴ."), ("und_Copt", "ⲡⲓϫⲱⲙ ⲛⲕⲟⲩϫⲓ."),
    ("got_Goth", "𐌰𐍄𐍄𐌰 𐌿𐌽𐍃𐌰𐍂."), ("fuf_Adlm", "𞤆𞤵𞤤𞤢𞤪 𞤸𞤮 𞤤𞤫𞤴𞤣𞤭."), ("und_Runr", "ᚠᚢᚦ ᛒᛟᚲ ᛁᛋ."), ("und_Ogam", "᚛ᚉᚑᚅ ᚁᚐᚂ᚜"),
    ("und_Glag", "ⰽⱀⰹⰳⰰ ⰿⰰⰾⰰ."), ("und_Samr", "ࠔࠐࠓ ࠀࠁ."), ("und_Bopo", "ㄒㄧㄠˇ ㄔㄨㄢˊ ㄗㄞˋ."), ("und_Bugi", "ᨅᨚᨀᨚ ᨌᨙᨉᨙ᨞"),
    ("srp_Cyrl", "Љубичаста кућа код њиве, џеп пун ђумбира."), ("mkd_Cyrl", "Ѓорѓи и Ќире пеат ѕвонливо."), ("tgk_Cyrl", "Ҷӯйи хурд аз кӯҳ мефарояд."),
    ("snd_Arab", "ڇوڪري ڪتاب پڙهي ٿي."), ("uig_Arab", "كىچىك بالا كىتاب ئوقۇۋاتىدۇ."), ("ydd_Hebr", "דאָס קליינע קינד לייענט אַ בוך."),
    ("mlt_Latn", "Il-qattus iż-żgħir għatxan ħafna."), ("ibo_Latn", "Nwata ahụ na-agụ akwụkwọ n'okpuru osisi."), ("quy_Latn", "Warmaqa mayu patapi pukllachkan."),
    ("nav_Latn", "Ashkii yázhí tó yidlą́."), ("haw_Latn", "Heluhelu ke keiki i ka puke ma lalo o ka lāʻau."), ("cym_Latn", "Mae'r gath fach yn cysgu wrth y tân."),
    ("epo_Latn", "Ĉiu ŝipo ĝoje veturas ĵaŭde."), ("lvs_Latn", "Mazais kaķēns guļ zem ķiršu koka."), ("lit_Latn", "Žąsys ėda žolę prie ežero."),
]

HOSTILE = [
    "👩🏽‍🚀👨‍👩‍👧‍👦🏳️‍🌈🇺🇳🇺 1️⃣#️⃣ ☺︎☺️", "e\u0301\u0302\u0303\u0304\u0305 a\u0323\u0307 ạ̇ Z͑ͫ̓ͪ̂ͫ̽A͓̠̼LGO", "\u202eabc\u202c \u2066x\u2069 \u200ea\u200f \u061c\u2067ש\u2069",
    "\x00\x01\x02\x07\x08\x0b\x0c\x0e\x1b[31m\x1f\x7f\x80\x85\x9f", "a" * 300, "ab" * 120 + " " + "é" * 90 + "字" * 60, "\t\t \n\n\n \t\n  \r\n\r\n\r x\n", " " * 37 + "x" + " " * 16 + "\n" + " " * 5,
    "0123456789 12,345.67 1e10 ١٢٣ १२३ １２３ 𝟏𝟐 ½ ³ Ⅷ 9999999 007 3.14.15", "I'll they'RE we've IT'S ’twas o'clock 'quoted' don''t", "Å Å Å ﬁ ﬀ ㍿ ｶﾞ ガ 가 가 ự ự",
    "<s></s><unk><pad> <s> x </s>y", "[CLS][SEP][MASK][PAD] [UNK] [cls]", "<|begin_of_text|><|eot_id|> <|im_start|>user<|im_end|>\n<|endoftext|>", "<bos><eos><start_of_turn>user\nx<end_of_turn>",
    "[INST] x [/INST]</s> <mask> <mask>a  <mask>", "▁▁a▁ b ▁", "Ġa Ċ ##b ##", "<0x41><0x0A> <0xff>", "\ufeffa\u00ad b\u200b\u200c\u200d\u2060c\ufe0f", "\ufffd\ufffe\uffff\U0001fffe\U0010ffff \ue000", "https://x.example/a_b?c=%20&d=[1]#é user@mail.example",
    "if (a!=b){return\tx->y[i++];}//\n\\n\\t\"'`~!@#$%^&*()_+-=[]{}|;:,.<>/?", "CamelCaseHTTPServer2Go snake_case kebab-case", "ＦＵＬＬ　ｗｉｄｔｈ！？", "ΑΣ ΑΣ. ΌΣΟΣ σς İıIi ǅ ß ẞ", "中文English混じりのテキスト한국어עבריתعربي", "…—–‐‑«»„“”‚‘’‹›·•※†‡", "\u3000　\u00a0\u2003\u2009\u202f\u205f|\u1680|\u180e|", "", " ", "\n", "\u0301", "x\u0301\u0301",
]

PAIRS = [("Is it deep?", "Yes, ten metres."), ("", "only second"), ("only first", ""), ("ما عمقها؟", "عشرة 数一数"), ("<s>a</s>", "[SEP] b"), (" lead", "trail \n"), ("x" * 40, "😀")]
