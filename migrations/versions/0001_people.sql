-- Organizations and people, with search, sort order and stamps.

CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN', 'SUPER_ADMIN');


-- Search and sort order

-- Reduces text to the letters that readers consider equal: Unicode's case folding and compatibility forms, without
-- accents and invisible characters.
--
-- It doesn't depend on the database's locale: lower(), collations and dictionaries differ between servers and releases.
-- Stored text therefore stays correct when a server is updated.
--
-- translate() compares every letter of a text with every letter of its table, so each table is used only if the text
-- contains one of its letters. case_folding.py prints these tables.
CREATE FUNCTION portal_plain(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    plain text COLLATE "C" := lower(value COLLATE "C");
BEGIN
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
    -- Accents and the points of Hebrew and Arabic, but not the marks of other scripts, which form other letters.
    -- Then invisible characters: soft hyphen, tatweel, joiners, direction marks, variation selectors.
    plain := regexp_replace(lower(normalize(plain, NFKD)),
        '[\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A'
        '\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u0711\u0730-\u074A'
        '\u08CA-\u08E1\u08E3-\u08FF\u1AB0-\u1AFF\u1DC0-\u1DFF\u20D0-\u20FF\uFB1E\uFE20-\uFE2F\u00AD\u0640'
        '\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164'
        '\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFC\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A'
        '\U000E0000-\U000E0FFF]+', '', 'g');
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
    plain := translate(plain, 'ÆŒÞẞÐðØøĐđŁłĦħŊŋŦŧıĸ', 'æœþßddooddllhhnnttiq');
    plain := replace(replace(replace(replace(plain, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ß', 'ss');
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
    IF plain ~ '[\u02B9-\u02BD\u2010-\u2044\u2212\u2215\u3001\u3002]' THEN
        plain := translate(plain,
            E'‘’‚‛ʹʻʼʽ′“”„‟‐‒–—―−‹›⁄∕、。\u2028\u2029',
            '''''''''''''''''''""""------<>//,.  ');
    END IF;
    IF plain ~ '[\u0370-\u03FF]' THEN
        plain := translate(plain,
            'ͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿ',
            'ͱͳͷϳαβγδεζηθικλμνξοπρστυφχψωσϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽ');
    END IF;
    IF plain ~ '[\u0402-\u042F]' THEN
        plain := translate(plain,
            'ЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
            'ђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюя');
    END IF;
    IF plain ~ '[\u0460-\u052F]' THEN
        plain := translate(plain,
            'ѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮ',
            'ѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕәӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯ');
    END IF;
    IF plain ~ '[\u0531-\u0556]' THEN
        plain := translate(plain,
            'ԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖ',
            'աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ');
    END IF;
    IF plain ~ '[\u0180-\u02B8\u2C60-\u2C7F\uA720-\uA7FF]' THEN
        plain := translate(plain,
            'ƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲⱵⱾⱿꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌ'
            'ꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟐꟖꟘꟵƀƃƈƌƒƙƚƞƥƫƭƴƶǥɓɖɗɛɨɫɲʂʈʉʋ'
            'ȼɇɉɍɏⱥⱦ',
            'bbƅɔcdddǝəefɠɣɩikɯnɵƣpʀƨʃttʊvyzʒƹƽgƕƿȝnȣȥacltɂbuʌejɋryⱡlᵽɽⱨⱪⱬɑɱɐɒⱳⱶȿɀꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍ'
            'ꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔsᶎꟈꟊꟑꟗꟙꟶbbcdfklnpttyzgbddeilnstuv'
            'cejryat');
    END IF;
    IF plain ~ '[\u10A0-\u13FD\u1C80-\u1CBF\u1EFA-\u1EFE\u2132\u2183\u2C00-\u2C2F\u2C80-\u2CF2'
        '\uA640-\uA69A\uAB70-\uABBF\U00010400-\U0001E921]' THEN
        plain := translate(plain,
            'ႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᏸᏹᏺᏻᏼᏽᲀᲁᲂᲃᲄᲅᲆᲇᲈᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲ'
            'ᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿỺỼỾℲↃⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲ'
            'ⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐꚒꚔꚖꚘꚚꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃꮄꮅꮆꮇꮈꮉ'
            'ꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣'
            '𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕲𐕴𐕶𐕸𐕺𐕼𐕾𐖀𐖂𐖄𐖆𐖈𐖊𐖌𐖎𐖐𐖒𐖔𐕱𐕳𐕵𐕷𐕹𐕽𐕿𐖁𐖃𐖅𐖇𐖉𐖍𐖏𐖑𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎'
            '𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕'
            '𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡',
            'ⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭᏰᏱᏲᏳᏴᏵвдосттъѣꙋაბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲ'
            'ჳჴჵჶჷჸჹჺჽჾჿỻỽỿⅎↄⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳ'
            'ⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑꚓꚕꚗꚙꚛᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳᎴᎵᎶᎷᎸᎹ'
            'ᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋'
            '𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖙𐖛𐖝𐖟𐖡𐖣𐖥𐖧𐖩𐖫𐖭𐖯𐖱𐖳𐖵𐖷𐖹𐖻𐖘𐖚𐖜𐖞𐖠𐖤𐖦𐖨𐖪𐖬𐖮𐖰𐖴𐖶𐖸𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎'
            '𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵'
            '𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃');
    END IF;
    RETURN plain;
END $$;

-- Decodes a label of an international domain (RFC 3492, without the xn--). NULL if it is invalid.
CREATE FUNCTION portal_punycode(code text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    basic CONSTANT integer := length(code) - strpos(reverse(code), '-');
    decoded text := CASE WHEN strpos(code, '-') > 0 THEN left(code, basic) ELSE '' END;
    next integer := CASE WHEN strpos(code, '-') > 0 THEN basic + 2 ELSE 1 END;
    letter bigint := 128;
    place bigint := 0;
    former bigint;
    weight bigint;
    bias bigint := 72;
    step bigint;
    threshold bigint;
    digit integer;
BEGIN
    WHILE next <= length(code) LOOP
        former := place;
        weight := 1;
        step := 36;
        LOOP
            digit := strpos('abcdefghijklmnopqrstuvwxyz0123456789', substr(code, next, 1)) - 1;
            IF next > length(code) OR digit < 0 OR weight > 1e12 THEN
                RETURN NULL;
            END IF;
            next := next + 1;
            place := place + digit * weight;
            threshold := least(greatest(step - bias, 1), 26);
            EXIT WHEN digit < threshold;
            weight := weight * (36 - threshold);
            step := step + 36;
        END LOOP;
        bias := (place - former) / CASE WHEN former = 0 THEN 700 ELSE 2 END;
        bias := bias + bias / (length(decoded) + 1);
        step := 0;
        WHILE bias > 455 LOOP
            bias := bias / 35;
            step := step + 36;
        END LOOP;
        bias := step + 36 * bias / (bias + 38);
        letter := letter + place / (length(decoded) + 1);
        place := place % (length(decoded) + 1);
        IF letter > 1114111 OR letter BETWEEN 55296 AND 57343 THEN
            RETURN NULL;
        END IF;
        decoded := left(decoded, place::integer) || chr(letter::integer) || substr(decoded, place::integer + 1);
        place := place + 1;
    END LOOP;
    RETURN decoded;
END $$;

-- Converts international domains anywhere in a text to their readable form.
CREATE FUNCTION portal_readable(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    readable text COLLATE "C" := lower(value COLLATE "C");
    label text;
BEGIN
    IF strpos(readable, 'xn--') = 0 THEN
        RETURN value;
    END IF;
    FOR label IN SELECT DISTINCT hit[1] FROM regexp_matches(readable, 'xn--([a-z0-9-]{1,59})', 'g') hit LOOP
        readable := replace(readable, 'xn--' || label, coalesce(public.portal_punycode(label), 'xn--' || label));
    END LOOP;
    RETURN readable;
END $$;

-- Folds a search term. Trigrams consist of letters and digits only, so the index can't look up punctuation: each sign
-- becomes a word of its own, represented by an unused letter (Canadian syllabics). ASCII signs stay distinct, all
-- others share one letter. Only @ ends the word before it: few addresses end in "da@", while many contain a word that
-- ends in "da" and, somewhere, an @. Frequent signs are replaced one by one, because translate() is slow.
CREATE FUNCTION portal_fold_term(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    folded text COLLATE "C" := public.portal_plain(value);
BEGIN
    IF octet_length(folded) > char_length(folded) THEN
        folded := regexp_replace(normalize(folded, NFC),
            '[\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02C5\u02D2-\u02DF'
            '\u02E5-\u02EB\u02ED\u02EF-\u02FF\u0375\u037E\u0384\u0385\u0387\u03F6\u0482\u055A-\u055F\u0589'
            '\u058A\u058D-\u058F\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u0600-\u060F\u061B-\u061F\u066A-\u066D'
            '\u06D4\u06DD\u06DE\u06E9\u06FD\u06FE\u0700-\u070F\u0964\u0965\u0E3F\u0E4F\u0E5A\u0E5B'
            '\u104A-\u104F\u10FB\u1360-\u1368\u17D4-\u17D6\u2010-\u2027\u2030-\u205E\u207A-\u207E'
            '\u208A-\u208E\u20A0-\u20CF\u2100\u2101\u2103-\u2106\u2108\u2109\u2114\u2116-\u2118\u211E-\u2123'
            '\u2125\u2127\u2129\u212E\u213A\u213B\u2140-\u2144\u214A-\u214D\u214F\u2190-\u2BFF\u2CE5-\u2CEA'
            '\u2CF9-\u2CFF\u2E00-\u2E99\u2E9B-\u2FFF\u3001-\u3004\u3008-\u3020\u3030\u3036\u3037\u303D-\u303F'
            '\u309B\u309C\u30A0\u30FB\uFD3E\uFD3F\uFE10-\uFE6F\uFF01-\uFF0F\uFFE0-\uFFEE\U0001D000-\U0001D3FF'
            '\U0001F000-\U0001FAFF]', ' ᐡ ', 'g');
    END IF;
    folded := replace(replace(replace(folded, '@', 'ᐖ '), '.', ' ᐎ '), '-', ' ᐍ ');
    folded := replace(replace(folded, '_', ' ᐛ '), '''', ' ᐇ ');
    IF folded ~ '[][!"#$%&()*+,/:;<=>?\\^`{|}~]' THEN
        folded := regexp_replace(translate(folded, '!"#$%&()*+,/:;<=>?[\]^`{|}~', 'ᐁᐂᐃᐄᐅᐆᐈᐉᐊᐋᐌᐏᐐᐑᐒᐓᐔᐕᐗᐘᐙᐚᐜᐝᐞᐟᐠ'),
            '([ᐁᐂᐃᐄᐅᐆᐈᐉᐊᐋᐌᐏᐐᐑᐒᐓᐔᐕᐗᐘᐙᐚᐜᐝᐞᐟᐠ])', ' \1 ', 'g');
    END IF;
    RETURN folded;
END $$;

-- Folds text for searching. International domains match in both forms. Names in scripts that write them with or without
-- a space match without it, in any order.
CREATE FUNCTION portal_fold_text(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    whole text := value;
    words text[];
BEGIN
    IF strpos(lower(value COLLATE "C"), 'xn--') > 0 THEN
        SELECT value || coalesce(string_agg(' ' || public.portal_readable(word), ''), '') INTO whole
        FROM unnest(string_to_array(value, ' ')) word WHERE public.portal_readable(word) <> word;
    END IF;
    IF octet_length(value) > char_length(value) THEN
        words := regexp_split_to_array(btrim(substring(
            normalize(value, NFKC) COLLATE "C" from
            '(?:^|\s)((?:[\u0590-\u1400\u1680-\u1DFF\u2E80-\u2FFF\u3005-\uD7FF\uF900-\uFDFF\uFE70-\uFEFF'
            '\U00010000-\U0003FFFF]+(?:\s+|$)){2,4})')), '\s+');
        FOR one IN 1..coalesce(array_length(words, 1), 0) LOOP
            whole := whole || ' ' || array_to_string(words[one:] || words[:one - 1], '');
        END LOOP;
    END IF;
    RETURN public.portal_fold_term(whole);
END $$;

-- Computes the generated columns search_text. It must stay a function in SQL: a session that calls it while the
-- language changes would run the new text in the old language.
CREATE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN public.portal_fold_text(value);

-- The LIKE pattern for a word in search_text. The index can't look up one or two letters inside a word, so they match
-- only at the beginning of a word, except for @, which is in every address. A domain that is still being typed is
-- searched unchanged.
CREATE FUNCTION portal_search_pattern(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (
    SELECT CASE
        WHEN char_length(btrim(folded)) < 3 AND strpos(folded, 'ᐖ') = 0
        THEN '% ' || btrim(folded) || '%' ELSE '%' || folded || '%' END
    FROM public.portal_fold_term(
        CASE WHEN word ~* 'xn--[a-z0-9-]+\.' THEN public.portal_readable(word) ELSE word END) folded
);

-- A key that sorts names like Unicode's root collation, as closely as names need it. The server's collations can't be
-- used: PostgreSQL may lack them, and library updates would corrupt the indexes. Compare keys bytewise (COLLATE "C").
--
-- A key consists of the letters, a separator, and their accents. Punctuation sorts before digits, and digits before
-- letters. Three Latin letters sort as separate letters after others; wynn stands for "after z".
CREATE FUNCTION portal_sort_key(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $body$
DECLARE
    bare text COLLATE "C" := btrim(value);
    key text COLLATE "C" := bare;
BEGIN
    IF octet_length(bare) > char_length(bare) THEN
        key := replace(replace(replace(translate(key, 'ÞŊƏ', 'þŋə'), 'þ', 'ƿ'), 'ŋ', 'nƿ'), 'ə', 'eƿ');
    END IF;
    key := public.portal_plain(key);
    IF octet_length(key) > char_length(key) THEN
        key := regexp_replace(regexp_replace(key, '[\u3099\u309A]', '', 'g'),
            '[\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02DF\u055A-\u055F'
            '\u0589\u058A\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u060C\u061B-\u061F\u066A-\u066D\u06D4\u0964'
            '\u0965\u2010-\u205E\u20A0-\u20CF\u2190-\u2BFF\u2E00-\u2E7F\u3001-\u3003\u3008-\u3020\u3030\u30FB'
            '\U0001F000-\U0001FAFF]', '/', 'g');
        IF key ~ '[\u30A1-\u30F6]' THEN
            key := translate(key,
                'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲンヴヵヶ',
                'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんゔゕゖ');
        END IF;
    END IF;
    IF key ~ '[][!"#$%&''()*+,./:;<=>?@\\^_`{|}~-]' THEN
        key := translate(key, '_-,;:!?.''"()[]{}@*/\&#%`^+<=>|~$', '!"#$$%%&''()*++++,,--.../////////');
    END IF;
    IF octet_length(bare) > char_length(bare) THEN
        bare := lower(normalize(bare, NFKD) COLLATE "C");
        key := key || E'\x01' || regexp_replace(bare,
            '[^\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A'
            '\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED]', '', 'g') || E'\x01' || bare;
    END IF;
    RETURN key;
END $body$;

-- People without a name are listed by email address, after everyone who has a name.
CREATE FUNCTION portal_sort_name(last_name text, first_name text, email text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    key CONSTANT text := public.portal_sort_key(concat_ws(' ', nullif(last_name, ''), nullif(first_name, '')));
BEGIN
    RETURN CASE WHEN key = '' THEN chr(1114111) || public.portal_sort_key(email) ELSE key END;
END $$;


-- Functions of triggers that run before a row is written

-- Sets who changed a row and when, and counts versions. An actor is always recorded, regardless of the statement;
-- without an actor, a program may set the columns itself. A migration that rewrites rows with the same values
-- (portal.rewriting) changes none of these; tenants can't use that.
CREATE FUNCTION portal_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE actor uuid := nullif(current_setting('portal.actor_id', true), '')::uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('portal.rewriting', true) = 'on' AND current_user <> 'portal_tenant' THEN
        RETURN NEW;
    END IF;
    NEW.updated_at := clock_timestamp();
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
        NEW.created_by := coalesce(actor, NEW.created_by);
        NEW.updated_by := coalesce(actor, NEW.updated_by, NEW.created_by);
        NEW.deleted_by := CASE WHEN NEW.deleted_at IS NOT NULL THEN coalesce(actor, NEW.deleted_by) END;
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    NEW.updated_by := coalesce(actor, nullif(NEW.updated_by, OLD.updated_by));
    NEW.deleted_by := CASE
        WHEN NEW.deleted_at IS NULL THEN NULL
        WHEN OLD.deleted_at IS NULL THEN coalesce(actor, NEW.updated_by)
        ELSE OLD.deleted_by END;
    RETURN NEW;
END $$;

-- Fills sort_name, whatever the statement says. A trigger rather than a generated column, because the expression of a
-- generated column can't change without rewriting the table while everyone waits.
CREATE FUNCTION portal_keep_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := public.portal_sort_key(NEW.name);
    RETURN NEW;
END $$;

-- Sets sort_name, regardless of the statement. A trigger rather than a generated column, because changing the
-- expression of a generated column rewrites the table while everyone waits.
CREATE FUNCTION portal_keep_users_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := public.portal_sort_name(NEW.last_name, NEW.first_name, NEW.email);
    RETURN NEW;
END $$;

-- Invalidates emailed links when a value changes that their digest covers. Undoing the change would make the digest
-- valid again, so it also covers a counter that only grows.
CREATE FUNCTION portal_kill_links()
RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.email, OLD.pending_email, OLD.password, OLD.role, OLD.organization_id)
        IS DISTINCT FROM (NEW.email, NEW.pending_email, NEW.password, NEW.role, NEW.organization_id) THEN
        NEW.link_counter := greatest(NEW.link_counter, OLD.link_counter + 1);
    END IF;
    RETURN NEW;
END $$;


-- Organizations

CREATE TABLE organizations (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    slug text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_by uuid,
    updated_by uuid,
    deleted_by uuid,
    version integer NOT NULL DEFAULT 1,
    sort_name text NOT NULL DEFAULT '',
    search_text text NOT NULL GENERATED ALWAYS AS (' ' || portal_fold(name || ' ' || slug)) STORED,
    CONSTRAINT organizations_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX organizations_slug_key ON organizations (slug) WHERE deleted_at IS NULL;
CREATE INDEX organizations_created_at_idx ON organizations (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX organizations_name_idx ON organizations (sort_name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX organizations_deleted_at_idx ON organizations (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX organizations_search_text_idx ON organizations USING gin (search_text gin_trgm_ops);
-- A word's frequency must be known precisely: it decides whether to scan the newest rows or look up the word.
ALTER TABLE organizations ALTER COLUMN search_text SET STATISTICS 1000;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON organizations FOR EACH ROW
EXECUTE FUNCTION portal_stamp();
CREATE TRIGGER sort_name BEFORE INSERT OR UPDATE ON organizations FOR EACH ROW
EXECUTE FUNCTION portal_keep_sorted();


-- People

CREATE TABLE users (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    email text NOT NULL,
    password text,  -- a hash; empty for people who can't sign in yet
    first_name text,
    last_name text,
    role "Role" NOT NULL DEFAULT 'USER',
    is_active boolean NOT NULL DEFAULT true,
    email_verified boolean NOT NULL DEFAULT false,
    organization_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_by uuid,
    updated_by uuid,
    deleted_by uuid,
    version integer NOT NULL DEFAULT 1,
    must_change_password boolean NOT NULL DEFAULT false,
    time_zone text,
    pending_email text,
    link_counter integer NOT NULL DEFAULT 0,
    invited_at timestamptz,
    accepted_at timestamptz,
    revoked_at timestamptz,
    last_sign_in_at timestamptz,
    has_two_factor boolean NOT NULL DEFAULT false,  -- kept by portal_keep_two_factor
    sort_name text NOT NULL DEFAULT '',
    search_text text NOT NULL GENERATED ALWAYS AS (
        ' ' || portal_fold(coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || email)) STORED,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
        ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE deleted_at IS NULL;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_organization_id_idx ON users (organization_id);
-- With the included columns, people can be counted, and frequent words found, from only the index.
CREATE INDEX users_created_at_idx ON users (created_at DESC, id DESC)
    INCLUDE (is_active, organization_id, invited_at, accepted_at, search_text) WHERE deleted_at IS NULL;
CREATE INDEX users_organization_created_at_idx ON users (organization_id, created_at DESC, id DESC)
    INCLUDE (role, is_active, email_verified, invited_at, accepted_at, has_two_factor, search_text)
    WHERE deleted_at IS NULL;
CREATE INDEX users_name_idx ON users (sort_name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX users_organization_name_idx ON users (organization_id, sort_name COLLATE "C", id)
    WHERE deleted_at IS NULL;
CREATE INDEX users_last_sign_in_idx ON users (coalesce(last_sign_in_at, '0001-01-01 00:00:00+00') DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX users_organization_last_sign_in_idx ON users (
    organization_id, coalesce(last_sign_in_at, '0001-01-01 00:00:00+00') DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX users_role_idx ON users (role, organization_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND role <> 'USER';
-- Comparing roles isn't leakproof, so under a policy an index scan can't be limited to a role. This partial index has
-- few entries.
CREATE INDEX users_staff_idx ON users (organization_id, created_at DESC, id DESC)
    INCLUDE (role, is_active, invited_at, accepted_at, search_text) WHERE deleted_at IS NULL AND role <> 'USER';
CREATE INDEX users_deactivated_idx ON users (organization_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND NOT is_active;
CREATE INDEX users_two_factor_idx ON users (organization_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND has_two_factor;
CREATE INDEX users_invited_idx ON users (organization_id, created_at DESC, id DESC)
    INCLUDE (role, invited_at, revoked_at)
    WHERE deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL;
CREATE INDEX users_deleted_email_idx ON users (lower(email)) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_deleted_at_idx ON users (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_organization_deleted_at_idx ON users (organization_id, deleted_at DESC, id DESC)
    WHERE deleted_at IS NOT NULL;
CREATE INDEX users_search_text_idx ON users USING gin (search_text gin_trgm_ops);
ALTER TABLE users ALTER COLUMN search_text SET STATISTICS 1000;
-- Signing in and second factors change neither the version nor the history of a person's row.
CREATE TRIGGER stamp BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE TRIGGER stamp_change BEFORE UPDATE ON users FOR EACH ROW
WHEN (OLD.last_sign_in_at IS NOT DISTINCT FROM NEW.last_sign_in_at AND OLD.has_two_factor = NEW.has_two_factor)
EXECUTE FUNCTION portal_stamp();
CREATE TRIGGER sort_name BEFORE INSERT OR UPDATE ON users FOR EACH ROW
EXECUTE FUNCTION portal_keep_users_sorted();
CREATE TRIGGER users_links BEFORE UPDATE OF email, pending_email, password, role, organization_id ON users
FOR EACH ROW EXECUTE FUNCTION portal_kill_links();


-- Totals of people

-- How many people of one kind an organization has, or all of them together. A total is the sum of its rows.
CREATE TABLE user_totals (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    organization_id uuid,  -- none for everybody
    in_deleted_organization boolean NOT NULL,
    role "Role" NOT NULL,
    status text NOT NULL,
    has_two_factor boolean NOT NULL,
    people bigint NOT NULL,
    CONSTRAINT user_totals_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);
CREATE INDEX user_totals_organization_id_idx ON user_totals (organization_id, status);

-- The status of a person, named like the tabs of the list of people.
CREATE FUNCTION portal_user_status(
    is_active boolean, invited_at timestamptz, accepted_at timestamptz, deleted_at timestamptz
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
    WHEN NOT is_active THEN 'deactivated'
    WHEN invited_at IS NOT NULL AND accepted_at IS NULL THEN 'invited'
    ELSE 'active' END;
REVOKE ALL ON FUNCTION portal_user_status FROM PUBLIC;

-- Adds a number of people to their total. A row that another transaction is changing is skipped, and a second row of
-- the same total is changed or made instead: nobody waits, and a total has at most as many rows as there were writers.
CREATE FUNCTION portal_add_to_user_totals(
    place uuid, in_deleted boolean, kind "Role", state text, two_factor boolean, number bigint
) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE user_totals SET people = people + number WHERE id = (
        SELECT id FROM user_totals t
        WHERE (organization_id = place OR place IS NULL AND organization_id IS NULL)
            AND in_deleted_organization = in_deleted AND role = kind AND status = state AND has_two_factor = two_factor
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO user_totals (organization_id, in_deleted_organization, role, status, has_two_factor, people)
        VALUES (place, in_deleted, kind, state, two_factor, number);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_add_to_user_totals FROM PUBLIC;

-- Keeps user_totals, for forms, bulk statements, COPY and psql alike. Each person counts twice: in their organization,
-- and among everybody, in rows without an organization. Organizations are locked as their foreign keys do it: that only
-- makes deleting and restoring one wait, see portal_move_user_totals. Plans made for one row also run for a million, so
-- organizations are looked up one by one.
CREATE FUNCTION portal_keep_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM new_rows
            EXCEPT ALL
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM old_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM old_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, -count(*))
        FROM old_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM new_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*))
        FROM new_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_user_totals FROM PUBLIC;

-- Moves the people of an organization that is deleted or restored to or from those of deleted organizations. The lock
-- waits for transactions that are changing its people, and makes later ones wait.
CREATE FUNCTION portal_move_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM organizations WHERE id = OLD.id FOR UPDATE;
    UPDATE user_totals SET in_deleted_organization = NOT in_deleted_organization WHERE organization_id = OLD.id;
    PERFORM portal_add_to_user_totals(NULL, in_deleted, role, status, has_two_factor, sum(sign * people)::bigint)
    FROM user_totals CROSS JOIN
        (VALUES (OLD.deleted_at IS NOT NULL, -1), (OLD.deleted_at IS NULL, 1)) AS place(in_deleted, sign)
    WHERE organization_id = OLD.id
    GROUP BY in_deleted, role, status, has_two_factor;
    RETURN coalesce(NEW, OLD);
END $$;
REVOKE ALL ON FUNCTION portal_move_user_totals FROM PUBLIC;

-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals.
CREATE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE organizations, users IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM user_totals;
    INSERT INTO user_totals (organization_id, in_deleted_organization, role, status, has_two_factor, people)
    SELECT r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*)
    FROM users r LEFT JOIN organizations o ON o.id = r.organization_id
        CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
        CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
    GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
    HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1
    ORDER BY organization_id;  -- the totals of an organization share a page
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;

CREATE TRIGGER totals_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();
CREATE TRIGGER totals_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();
CREATE TRIGGER totals_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();
CREATE TRIGGER totals_move BEFORE UPDATE ON organizations FOR EACH ROW
WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) EXECUTE FUNCTION portal_move_user_totals();
CREATE TRIGGER totals_end BEFORE DELETE ON organizations FOR EACH ROW WHEN (OLD.deleted_at IS NOT NULL)
EXECUTE FUNCTION portal_move_user_totals();
