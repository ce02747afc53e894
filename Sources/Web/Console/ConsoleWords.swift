import Base

/// How values of the API are shown to people.
enum ConsoleWords {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// A moment for `<time datetime="{{iso}}">{{text}}</time>`, such as `21 Nov 2026, 17:53`, in UTC.
  ///
  /// `nil` for what is no moment, null included.
  static func moment(_ value: JSONValue?) -> PageValues? {
    guard let text = value?.string, let moment = Timestamp(text) else { return nil }
    let day = moment.seconds / 86400
    let date = CivilDate(daysSince1970: day)
    let minute = (moment.seconds - day * 86400) / 60
    func two(_ number: Int64) -> String { (number < 10 ? "0" : "") + String(number) }
    return [
      "iso": text,
      "text":
        "\(date.day) \(months[Int(date.month) - 1]) \(date.year), \(two(minute / 60)):\(two(minute % 60))",
    ]
  }

  /// A count with thin spaces between its thousands.
  static func count(_ number: Int64) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "\u{202F}" }
      text.append(digit)
    }
    return (number < 0 ? "−" : "") + text
  }

  /// `1 store`, `2 stores`.
  static func count(_ number: Int, _ noun: String) -> String {
    "\(count(Int64(number))) \(noun)\(number == 1 ? "" : "s")"
  }

  /// The texts of a list.
  static func texts(_ value: JSONValue?) -> [String] {
    value?.array?.compactMap(\.string) ?? []
  }

  /// A badge for an installation's state.
  static func state(_ word: String) -> PageValues {
    let tone =
      switch word {
      case "active": "good"
      case "suspended": "warn"
      case "revoked": "bad"
      default: ""
      }
    return ["word": word, "tone": tone]
  }
}

extension ConsoleWords {
  /// A badge for a store's webhooks, as the API's `hooks` tells of them.
  static func hooks(_ value: JSONValue?) -> PageValues {
    guard let state = value?["state"]?.string else { return ["word": "none", "tone": ""] }
    let active = value?["active"]?.integer ?? 0
    let wanted = value?["wanted"]?.integer ?? 0
    switch state {
    case "in_step": return ["word": "\(active) of \(wanted)", "tone": "good"]
    case "failed": return ["word": "failed", "tone": "bad"]
    case "parked": return ["word": "parked", "tone": ""]
    default: return ["word": "pending", "tone": "warn"]
    }
  }

  /// A badge for how a store's API answers.
  static func health(_ store: JSONValue) -> PageValues {
    guard let word = store["health"]?.string else { return ["word": "none", "tone": ""] }
    let tone =
      switch word {
      case "healthy": "good"
      case "unknown": ""
      case "rate", "network": "warn"
      default: "bad"
      }
    return ["word": word, "tone": tone]
  }
}
