// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Testing
import ZProc

@testable import zproc

/// Values as JSON and back.
@Suite struct JSONTests {
    private func read(_ text: String) throws(JSONError) -> JSON { try JSONReader.read(Array(text.utf8)) }

    private static let pairs: [(Value, String)] = [
        (.nil, "null"),
        (.bool(true), "true"),
        (.bool(false), "false"),
        (.int(0), "0"),
        (.int(-7), "-7"),
        (.int(9_007_199_254_740_993), "9007199254740993"),
        (.int(.min), "-9223372036854775808"),
        (.int(.max), "9223372036854775807"),
        (.uint(.max), "18446744073709551615"),
        (.double(1), "1.0"),
        (.double(-0.0), "-0.0"),
        (.double(0.1), "0.1"),
        (.double(1e300), "1e+300"),
        (.double(.leastNonzeroMagnitude), "5e-324"),
        (.double(.nan), #"{"$double":"NaN"}"#),
        (.double(.infinity), #"{"$double":"Infinity"}"#),
        (.double(-.infinity), #"{"$double":"-Infinity"}"#),
        (.float(1.5), #"{"$float":1.5}"#),
        (.float(0.1), #"{"$float":0.1}"#),
        (.float(.nan), #"{"$float":"NaN"}"#),
        (.float(-.infinity), #"{"$float":"-Infinity"}"#),
        (.string(""), #""""#),
        (.string("é 🥜 \"\\/\n\t\r\u{1}\u{7f}\u{9b}\u{2028}"), #""é 🥜 \"\\/\n\t\r\u0001\u007f\u009b\u2028""#),
        (.binary([]), #"{"$binary":""}"#),
        (.binary([0, 1, 254, 255]), #"{"$binary":"AAH+/w=="}"#),
        (.ext(type: -5, [1, 2, 3]), #"{"$ext":[-5,"AQID"]}"#),
        (.timestamp(MessagePackTimestamp(seconds: 0)), #"{"$timestamp":"1970-01-01T00:00:00Z"}"#),
        (
            .timestamp(MessagePackTimestamp(seconds: -1, nanoseconds: 500_000_000)),
            #"{"$timestamp":"1969-12-31T23:59:59.5Z"}"#
        ),
        (
            .timestamp(MessagePackTimestamp(seconds: .max, nanoseconds: 1)),
            #"{"$timestamp":[9223372036854775807,1]}"#
        ),
        (.array([]), "[]"),
        (.array([1, "two", .nil, .array([.double(3)])]), #"[1,"two",null,[3.0]]"#),
        (.map([:]), "{}"),
        (.map(["b": 1, "a": ["c": .nil]]), #"{"b":1,"a":{"c":null}}"#),
        (.map(["$a": 1, "$b": 2]), #"{"$a":1,"$b":2}"#),
        (.map(["$binary": "AQID"]), #"{"$map":[["$binary","AQID"]]}"#),
        (.map(["$mine": 1]), #"{"$map":[["$mine",1]]}"#),
        (.map([1: "one", .nil: [2: "two"]]), #"{"$map":[[1,"one"],[null,{"$map":[[2,"two"]]}]]}"#),
    ]

    @Test(arguments: pairs) func aValueIsThisTextAndNoOther(_ value: Value, _ text: String) throws {
        #expect(JSON(value).text() == text)
        let back = try read(text).value()
        #expect(back == value)
        // Equality takes -0 for 0, and integers of either case for the same.
        #expect(String(reflecting: back) == String(reflecting: value))
        #expect(try read(JSON(value).text(.indented)) == JSON(value))
    }

    @Test func anyValueComesBack() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let value = randomValue(depth: 4, &random)
            #expect(try read(JSON(value).text()).value() == value)
            #expect(try read(JSON(value).text(.indented)).value() == value)
        }
    }

    private func randomValue(depth: Int, _ random: inout SystemRandomNumberGenerator) -> Value {
        func bytes() -> [UInt8] { (0..<Int.random(in: 0...9)).map { _ in .random(in: 0...255) } }
        func text() -> String { String(decoding: bytes(), as: UTF8.self) }
        let count = Int.random(in: 0...3, using: &random)
        switch Int.random(in: 0...(depth > 0 ? 11 : 9), using: &random) {
        case 0: return .nil
        case 1: return .bool(.random(using: &random))
        case 2: return .int(.random(in: .min ... .max, using: &random))
        case 3: return Value(UInt64.random(in: 0 ... .max, using: &random))
        case 4: return .float(Float(bitPattern: .random(in: 0 ... .max, using: &random)))
        case 5: return .double(Double(bitPattern: .random(in: 0 ... .max, using: &random)))
        case 6: return .string(text())
        case 7: return .binary(bytes())
        case 8:
            let seconds = Int64.random(in: -1 << 40...1 << 40, using: &random)
            return .timestamp(MessagePackTimestamp(seconds: seconds, nanoseconds: .random(in: 0..<1_000_000_000)))
        case 9: return .ext(type: .random(in: .min ... -2, using: &random), bytes())
        case 10: return .array((0..<count).map { _ in randomValue(depth: depth - 1, &random) })
        default:
            return .map(
                Value.Map(
                    (0..<count).map { index in
                        let key: Value =
                            Bool.random(using: &random) ? .string("$\(text())") : randomValue(depth: 0, &random)
                        return (key, randomValue(depth: depth - 1, &random))
                    }
                )
            )
        }
    }

    @Test(arguments: [
        (#" [ 1 , { "a" : [ ] } ] "#, JSON.array([.number("1"), .object([.init("a", .array([]))])])),
        (#""\ud83e\udd5c\u00e9\/\b\f""#, .string("🥜é/\u{8}\u{c}")),
        ("1.50", .number("1.50")), ("-0", .number("-0")), ("1E5", .number("1E5")),
    ])
    func jsonIsRead(_ text: String, _ json: JSON) throws { #expect(try read(text) == json) }

    @Test(arguments: [
        "", " ", "nul", "truex", "01", "1.", ".5", "+1", "-", "1e", "[1,]", "[1 2]", "[", "{", "{\"a\"}", "{\"a\":1,}",
        "{a:1}", "'a'", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\ud800\\u0041\"", "\"\n\"",
        "1 2", "{\"a\":1,\"a\":2}", "NaN", "Infinity", "\u{feff}1",
    ])
    func whatIsNoJSONIsAnErrorWithItsPlace(_ text: String) {
        let error = #expect(throws: JSONError.self) { try read(text) }
        #expect(error?.description.contains("line") == true)
    }

    @Test func errorsNameThePlace() {
        let error = #expect(throws: JSONError.self) { try read("{\n  \"a\": 1,\n  \"b\" 2\n}") }
        #expect(error?.description == "a ':' is missing, at line 3, column 7")
        #expect(throws: JSONError("the text is not UTF-8")) { try JSONReader.read([0x22, 0xff, 0x22]) }
    }

    @Test func depthIsBounded() throws {
        let deepest = String(repeating: "[", count: 1_601) + String(repeating: "]", count: 1_601)
        _ = try read(deepest)
        #expect(throws: JSONError.self) { try read("[\(deepest)]") }
        #expect(throws: JSONError.self) { try read(String(repeating: "[", count: 1_000_000)) }
    }

    @Test(arguments: [
        #"{"$what":1}"#, #"{"$binary":"no base64!"}"#, #"{"$binary":1}"#, #"{"$timestamp":"2026-02-30T00:00:00Z"}"#,
        #"{"$timestamp":[1]}"#, #"{"$timestamp":[1,1000000000]}"#, #"{"$ext":[200,""]}"#, #"{"$float":1e99}"#,
        #"{"$double":"nan"}"#, #"{"$map":[[1]]}"#, #"{"$map":[[1,2],[1,3]]}"#, #"{"$map":1}"#,
        "18446744073709551616", "-9223372036854775809", "1e999",
    ])
    func whatStandsForNothingIsAnError(_ text: String) throws {
        let json = try read(text)
        #expect(throws: JSONError.self) { try json.value() }
    }

    @Test(arguments: [
        "2026-1-01T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00+01:00", "",
    ])
    func whatIsNoMomentIsRefused(_ text: String) { #expect(TimeText.time(of: text) == nil) }

    @Test func momentsAreThoseOfTheCalendar() {
        let known: [(Int64, UInt32, String)] = [
            (951_782_400, 0, "2000-02-29T00:00:00Z"), (1_795_622_382, 120_000_000, "2026-11-25T15:59:42.12Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
            (-2_203_977_600, 1, "1900-02-28T00:00:00.000000001Z"),
        ]
        for (seconds, nanoseconds, text) in known {
            let time = MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds)
            #expect(TimeText.text(of: time) == text)
            #expect(TimeText.time(of: text) == time)
        }
        #expect(TimeText.text(of: MessagePackTimestamp(seconds: 253_402_300_800)) == nil)
        #expect(TimeText.text(of: MessagePackTimestamp(seconds: -62_135_596_801)) == nil)
    }
}
#endif
