/// A colour that can be read on any background: the brand's own for surfaces, nearby ones for text.
struct BrandColor: Hashable, Sendable {
  let red: Double
  let green: Double
  let blue: Double

  /// A quiet blue.
  static let standard = BrandColor(red: 0x34 / 255, green: 0x57 / 255, blue: 0xD5 / 255)

  /// Reads `#RGB` or `#RRGGBB`.
  init?(_ text: String) {
    guard text.hasPrefix("#") else { return nil }
    let digits = text.dropFirst().compactMap(\.hexDigitValue).map(Double.init)
    guard digits.count == text.count - 1 else { return nil }
    switch digits.count {
    case 3: self.init(red: digits[0] / 15, green: digits[1] / 15, blue: digits[2] / 15)
    case 6:
      self.init(
        red: (digits[0] * 16 + digits[1]) / 255, green: (digits[2] * 16 + digits[3]) / 255,
        blue: (digits[4] * 16 + digits[5]) / 255)
    default: return nil
    }
  }

  private init(red: Double, green: Double, blue: Double) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  static let white = BrandColor(red: 1, green: 1, blue: 1)
  static let black = BrandColor(red: 0, green: 0, blue: 0)

  /// `#rrggbb`.
  var text: String {
    "#"
      + [red, green, blue].map { part in
        let value = Int((part * 255).rounded())
        return (value < 16 ? "0" : "") + String(value, radix: 16)
      }.joined()
  }

  /// The nearest mixture with `other` that has a contrast of 4.5 to `background` (WCAG 2.2, AA).
  func readable(on background: BrandColor, towards other: BrandColor) -> BrandColor {
    for step in 0...20 {
      let share = Double(step) / 20
      let mixed = BrandColor(
        red: red + (other.red - red) * share, green: green + (other.green - green) * share,
        blue: blue + (other.blue - blue) * share)
      if mixed.contrast(to: background) >= 4.5 { return mixed }
    }
    return other
  }

  /// The ratio of the lighter to the darker, 1 to 21.
  func contrast(to other: BrandColor) -> Double {
    let (one, two) = (luminance + 0.05, other.luminance + 0.05)
    return max(one, two) / min(one, two)
  }

  private var luminance: Double {
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
  }

  /// The sRGB transfer curve.
  private func linear(_ part: Double) -> Double {
    part <= 0.04045 ? part / 12.92 : Self.power((part + 0.055) / 1.055)
  }

  /// x to the 2.4: the fifth root of x¹² by Newton's method.
  private static func power(_ base: Double) -> Double {
    let square = base * base
    let twelfth = square * square * square * square * square * square
    var root = base
    for _ in 0..<40 {
      let fourth = root * root * root * root
      guard fourth > 0 else { return 0 }
      root -= (root * fourth - twelfth) / (5 * fourth)
    }
    return root
  }
}
