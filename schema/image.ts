import { GraphQLString } from 'graphql';
import { Field, InputType } from 'type-graphql';

/** Exactly one of its fields is given. */
@InputType({
  description: 'A JPEG, PNG or WebP image: exactly one of these. Of an animation the first frame counts.',
})
export class ImageInput {
  @Field(() => GraphQLString, {
    nullable: true,
    description: 'Its bytes in base64, or a `data:` URL of them.',
  })
  base64?: string | null;

  @Field(() => GraphQLString, {
    nullable: true,
    description: 'An https URL that this server fetches, where it is allowed to.',
  })
  url?: string | null;
}
