/** The coordinate systems of the project as types that cannot be mixed up: a plain number fits none of them. */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Index of a token in the analysed window; 0 is the begin token where the model has one. */
export type TokenIdx = Branded<'TokenIdx'>;
/** Offset in UTF-16 code units from the start of the document. */
export type Utf16Offset = Branded<'Utf16Offset'>;
/** Offset in bytes of the text's UTF-8 form. */
export type ByteOffset = Branded<'ByteOffset'>;

export const tokenIdx = (value: number): TokenIdx => value as TokenIdx;
export const utf16Offset = (value: number): Utf16Offset => value as Utf16Offset;
export const byteOffset = (value: number): ByteOffset => value as ByteOffset;
